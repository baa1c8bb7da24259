"""Large files straight on the disk and off it, past the system's cache, where the file system can.

Copied through the cache, a byte costs as much as being received and hashed. What can go straight are whole
pages: from memory that begins at one, to an offset that does; all else goes through the cache, on the same
descriptor, and either way is only safe on the disk once the file was synced.
"""

from __future__ import annotations

import errno
import fcntl
import io
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["StraightFile", "StraightStream", "pages", "pieces_straight"]

_DIRECT = getattr(os, "O_DIRECT", 0)
_CANNOT = (errno.EINVAL, errno.EOPNOTSUPP)
_ROOM = 4 * 2**20


def pages(size: int) -> memoryview:
    """Memory of our own that begins at a page; in large pages where there are some."""
    found = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        found.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(found)


def pieces_straight(path: Path, start: int) -> Iterator[memoryview]:
    """A file's content from a page on, in the same memory each time. Raises OSError."""
    descriptor, room = os.open(path, os.O_RDONLY), pages(_ROOM)
    try:
        direct = _set_direct(descriptor, True)
        while True:
            try:
                size = os.preadv(descriptor, [room], start)
            except OSError as error:  # also beyond a last page that is not whole
                if not direct or error.errno not in _CANNOT:
                    raise
                direct = _set_direct(descriptor, False)
                continue
            if not size:
                return
            start += size
            yield room[:size]
    finally:
        os.close(descriptor)


def _set_direct(descriptor: int, wanted: bool) -> bool:
    """Whether it is so now."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | _DIRECT if wanted else flags & ~_DIRECT)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return False
    return wanted and bool(_DIRECT)


class StraightFile:
    """What a descriptor is of; the caller closes it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._can = bool(_DIRECT)
        self._direct = False

    def put(self, at: int, content: memoryview) -> None:
        """Write bytes at an offset of the file. Raises OSError."""
        while content:
            whole = 0 if at % mmap.PAGESIZE else len(content) // mmap.PAGESIZE * mmap.PAGESIZE
            wanted = self._can and whole > 0
            if wanted != self._direct:
                self._direct = _set_direct(self._descriptor, wanted)
                self._can &= self._direct == wanted
            try:
                written = os.pwrite(self._descriptor, content[:whole] if self._direct else content, at)
            except OSError as error:
                if not self._direct or error.errno not in _CANNOT:
                    raise
                self._can = False  # this file system wants more than pages
                continue
            at, content = at + written, content[written:]


class StraightStream(io.BufferedIOBase):
    """A new file that is written from its beginning to its end; it closes the descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._file = StraightFile(descriptor)
        self._room, self._filled, self._at = pages(_ROOM), 0, 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, content: ReadableBuffer) -> int:
        rest = memoryview(content).cast("B")
        size = len(rest)
        while rest:
            taken = min(len(rest), _ROOM - self._filled)
            self._room[self._filled : self._filled + taken] = rest[:taken]
            self._filled, rest = self._filled + taken, rest[taken:]
            if self._filled == _ROOM:
                self.flush()
        return size

    def flush(self) -> None:
        if self._filled:
            self._file.put(self._at, self._room[: self._filled])
            self._at, self._filled = self._at + self._filled, 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.flush()
        self._at = os.lseek(self._descriptor, offset, whence) if whence == os.SEEK_END else offset
        return self._at

    def close(self) -> None:
        if not self.closed:
            try:
                super().close()  # flushes
            finally:
                os.close(self._descriptor)
