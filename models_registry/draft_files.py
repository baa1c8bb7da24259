"""What has arrived of a file so far, on the disk: in the clear, or under a key of its own.

A sealed draft begins with its wrapped key; its bytes are AES-CTR, so that chunks can be written anywhere.
Nothing in it is trusted: the whole is held against its digest when it is finished, and sealed then. What is
sent again to an offset after a crash is the same bytes, so that a disk seen before and after tells no more.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from assay.sealing import BODY, Keyring, opened_key, stream_cipher, stream_key

__all__ = ["DraftFile", "draft_name"]

_PIECE = 1 << 18
"""Bytes enciphered at once, which stay in the processor's cache."""


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
        return self.path.stat().st_size - (BODY if self.sealed else 0)

    def write_from(self, offset: int, chunk: bytes) -> bool:
        """Put a chunk at `offset`, and end there; whether all bytes before it were there."""
        sealed, path = self.sealed, self.path
        key = self._key_of_a_draft() if sealed else b""
        start = BODY if sealed else 0
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            if file.seek(0, os.SEEK_END) < start + offset:
                return False
            file.seek(start + offset)
            if not sealed:
                file.write(chunk)
            for at in range(0, len(chunk), _PIECE) if sealed else ():
                file.write(stream_cipher(key, offset + at, chunk[at : at + _PIECE]))
            file.truncate()
            file.flush()
            _begin_to_write_out(file.fileno(), start + offset, len(chunk))
        return True

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes of content. Raises OSError where there is no draft."""
        sealed = self.sealed
        with self.path.open("rb") as file:
            file.seek(offset + (BODY if sealed else 0))
            found = file.read(size)
        return stream_cipher(self._key(), offset, found) if sealed else found

    def pieces(self) -> Iterator[bytes]:
        """The content from its beginning. Raises OSError where there is no draft."""
        offset, sealed = 0, self.sealed
        key = self._key() if sealed else b""
        with self.path.open("rb") as file:
            file.seek(BODY if sealed else 0)
            while piece := file.read(_PIECE):
                yield stream_cipher(key, offset, piece) if sealed else piece
                offset += len(piece)

    def touch(self) -> None:
        """Begin an empty one."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.write_from(0, b"")

    def sync(self) -> None:
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def remove(self) -> None:
        for path in (self._plain, self._sealed):
            path.unlink(missing_ok=True)

    def _key(self) -> bytes:
        return opened_key(self._sealed, draft_name(self._plain.name), self._ring)

    def _key_of_a_draft(self) -> bytes:
        """The draft's key; made with the draft."""
        if self._sealed.exists():
            return self._key()
        key, head = stream_key(draft_name(self._plain.name), self._ring)
        descriptor = os.open(self._sealed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(head)
        return key


def _begin_to_write_out(descriptor: int, offset: int, size: int) -> None:
    """Let the system begin with these bytes now, so that little is left to wait for at the end."""
    with contextlib.suppress(AttributeError, OSError):  # a hint, which not every system takes
        os.posix_fadvise(descriptor, offset, size, os.POSIX_FADV_DONTNEED)
