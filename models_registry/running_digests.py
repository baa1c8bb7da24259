"""Digests of uploads that are under way in this process, so that a finished file need not be read again.

What came is hashed while it is written and what comes next is received. A digest counts only where this
process kept every byte of the upload in its order and nobody touched the upload in between (another process
may have begun it anew); where that is not so, the file is read when it is finished.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import OrderedDict
from datetime import datetime
from queue import SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple, Self

from models_registry.straight_files import pages

__all__ = ["HashedBeside", "digest_of", "forget"]

_MOST = 256
"""Uploads that are remembered; the one that was touched longest ago goes first."""


class _Running(NamedTuple):
    size: int
    """Bytes that are hashed."""
    hashed: Any
    touched: datetime
    """When the upload's row says that it was touched, by what was hashed last."""


_running: OrderedDict[uuid.UUID, _Running] = OrderedDict()
_lock = threading.Lock()


class HashedBeside:
    """What one request adds to an upload, hashed by a thread of its own, in two buffers that take turns.

    Where the request ends with an error, some of what is hashed may not count: the digest is forgotten.

    Args:
        offset: where it begins.
        touched: what the upload's row says of its last touch before.
        portion: bytes of a buffer, whole pages.
    """

    def __init__(self, key: uuid.UUID, offset: int, touched: datetime, portion: int) -> None:
        with _lock:
            found = _running.pop(key, None)
        if offset == 0:
            found = _Running(0, hashlib.sha256(), touched)
        goes_on = found is not None and (found.size, found.touched) == (offset, touched)
        self._key, self._size, self._touched = key, offset, touched
        self._hashed = found.hashed if found is not None and goes_on else None
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        self._full: SimpleQueue[memoryview | None] = SimpleQueue()
        for _ in range(2):
            self._free.put(pages(portion))
        self._thread = threading.Thread(target=self._hash, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._full.put(None)
        self._thread.join()
        if self._hashed is None or error is not None:
            return
        with _lock:
            _running[self._key] = _Running(self._size, self._hashed, self._touched)
            while len(_running) > _MOST:
                _running.popitem(last=False)

    def buffer(self) -> memoryview:
        """One that is hashed, to be filled."""
        return self._free.get()

    def add(self, content: memoryview) -> None:
        """Hash what a buffer begins with; it stays as it is until the caller asks for another one."""
        self._size += len(content)
        self._full.put(content)

    def counted(self, touched: datetime) -> None:
        """All that was added counts, and the upload's row says `touched` of it."""
        self._touched = touched

    def _hash(self) -> None:
        while (content := self._full.get()) is not None:
            if self._hashed is not None:
                self._hashed.update(content)
            self._free.put(memoryview(content.obj))


def digest_of(key: uuid.UUID, size: int, touched: datetime) -> str | None:
    """SHA-256 of the upload's first `size` bytes; None where this process did not keep all of them.

    Args:
        touched: what the upload's row says by now.
    """
    with _lock:
        found = _running.get(key)
    if found is None or (found.size, found.touched) != (size, touched):
        return None
    digest: str = found.hashed.hexdigest()
    return digest


def forget(key: uuid.UUID) -> None:
    with _lock:
        _running.pop(key, None)
