"""What has arrived of a file so far, on the disk: in the clear, or under a key of its own.

A sealed draft begins with its wrapped key; its bytes are AES-CTR, so that chunks can be written anywhere.
Nothing in a sealed one is trusted: when it is finished, all of it is read to be sealed, and held against the
digest of what came, where this process received it whole. One in the clear is not read again then: its digest
is of what was received and written, and what the disk altered meanwhile is found by whoever reads the file,
which the same content sent again mends (`files.mend`). What is sent again to an offset after a crash is the
same bytes, so that a disk seen before and after tells no more.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from assay.sealing import MORE, Keyring, opened_key, stream_cipher, stream_key
from models_registry.straight_files import StraightFile, pages, pieces_straight

__all__ = ["HEAD", "DraftFile", "DraftWriter", "draft_name"]

_PIECE = 1 << 18
"""Bytes deciphered at once, which stay in the processor's cache."""
HEAD = 1 << 16
"""Bytes before the content of a sealed one: its key, and nothing up to where pages of any size begin."""
_POLL = 0.02
"""Seconds between two looks whether a draft is free."""


def draft_name(key: object) -> str:
    """What a sealed draft's key is bound to."""
    return f"draft {key}"


class DraftFile:
    """One draft.

    Args:
        path: where it lies in the clear; `<path>.sealed` where it does not.
        ring: keys of the installation, of which the first one decides about new drafts.
    """

    def __init__(self, path: Path, ring: Keyring) -> None:
        self._plain = path
        self._sealed = path.with_name(path.name + ".sealed")
        self._ring = ring

    @property
    def sealed(self) -> bool:
        """Whether it is sealed, or will be when it is begun."""
        return self._sealed.exists() or (self._ring.first is not None and not self._plain.exists())

    @property
    def path(self) -> Path:
        return self._sealed if self.sealed else self._plain

    def size(self) -> int:
        """Bytes of content. Raises OSError where there is no draft."""
        return self.path.stat().st_size - (HEAD if self.sealed else 0)

    @contextlib.contextmanager
    def writer(self, wait: float = 0.0) -> Iterator[DraftWriter]:
        """The draft, made where there is none, for one writer at a time, whatever process the others are in.

        Args:
            wait: seconds until another one must have ended.

        Raises:
            BlockingIOError: another one writes to it.
            OSError: it cannot be written.
        """
        sealed, path = self.sealed, self.path
        descriptor = _locked(path, time.monotonic() + wait)
        try:
            key = self._key_of_a_draft(descriptor) if sealed else b""
            yield DraftWriter(descriptor, HEAD if sealed else 0, key)
        finally:
            os.close(descriptor)

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes of content. Raises OSError where there is no draft."""
        sealed = self.sealed
        with self.path.open("rb") as file:
            file.seek(offset + (HEAD if sealed else 0))
            found = file.read(size)
        if not sealed:
            return found
        return bytes(stream_cipher(self._key(), offset, found, memoryview(bytearray(len(found) + MORE))))

    def pieces(self) -> Iterator[memoryview]:
        """The content from its beginning, in the same memory each time. Raises OSError: there is no draft."""
        offset, sealed = 0, self.sealed
        key = self._key() if sealed else b""
        room = memoryview(bytearray(_PIECE + MORE))
        for large in pieces_straight(self.path, HEAD if sealed else 0):
            for at in range(0, len(large), _PIECE):
                piece = large[at : at + _PIECE]
                yield stream_cipher(key, offset + at, piece, room) if sealed else piece
            offset += len(large)

    def touch(self) -> None:
        """Begin an empty one."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.writer():
            pass

    def sync(self) -> None:
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def remove(self) -> None:
        for path in (self._plain, self._sealed):
            path.unlink(missing_ok=True)

    def _key(self) -> bytes:
        return opened_key(self._sealed, draft_name(self._plain.name), self._ring)

    def _key_of_a_draft(self, descriptor: int) -> bytes:
        """The draft's key; made with the draft."""
        if os.fstat(descriptor).st_size >= HEAD:
            return self._key()
        key, head = stream_key(draft_name(self._plain.name), self._ring)
        os.pwrite(descriptor, head.ljust(HEAD, b"\0"), 0)
        return key


class DraftWriter:
    """A draft that nobody else writes to.

    Args:
        start: where its content begins in the file.
        key: of a sealed draft; empty for one in the clear.
    """

    def __init__(self, descriptor: int, start: int, key: bytes) -> None:
        self._descriptor = descriptor
        self._start = start
        self._key = key
        self._file = StraightFile(descriptor)
        self._room: memoryview | None = None

    def size(self) -> int:
        """Bytes of content."""
        return os.fstat(self._descriptor).st_size - self._start

    def cut(self, size: int) -> None:
        """Drop what is beyond `size` bytes of content."""
        os.ftruncate(self._descriptor, self._start + size)

    def write(self, offset: int, content: memoryview) -> None:
        """Put bytes at `offset`; whole pages in memory and in the draft go straight on the disk."""
        if self._key and content:
            content = self._enciphered(offset, content)
        self._file.put(self._start + offset, content)

    def _enciphered(self, offset: int, content: memoryview) -> memoryview:
        if self._room is None or len(self._room) < len(content) + MORE:
            self._room = pages(len(content) + MORE)
        return stream_cipher(self._key, offset, content, self._room)

    def write_out(self, offset: int, size: int) -> None:
        """Let the system begin with these bytes now, so that little is left to wait for at the end."""
        with contextlib.suppress(AttributeError, OSError):  # a hint, which not every system takes
            os.posix_fadvise(self._descriptor, self._start + offset, size, os.POSIX_FADV_DONTNEED)


def _locked(path: Path, until: float) -> int:
    """A descriptor of the file that lies at `path`, locked."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except BlockingIOError:
            if time.monotonic() >= until:
                os.close(descriptor)
                raise
            time.sleep(_POLL)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # removed meanwhile, or somebody else's turn
