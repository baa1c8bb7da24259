"""Digests of uploads that are under way in this process, so that a finished file need not be read again.

What came is hashed once it counts, while what comes next is received. A digest counts only where this process
kept every byte of the upload in its order and nobody touched the upload in between (another process may have
begun it anew); where that is not so, the file is read when it is finished.
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

    Args:
        offset: where it begins.
        touched: what the upload's row says of its last touch before.
        portion: bytes of a buffer.
    """

    def __init__(self, key: uuid.UUID, offset: int, touched: datetime, portion: int) -> None:
        with _lock:
            found = _running.pop(key, None)
        if offset == 0:
            found = _Running(0, hashlib.sha256(), touched)
        goes_on = found is not None and (found.size, found.touched) == (offset, touched)
        self._key, self._size, self._touched = key, offset, touched
        self._hashed = found.hashed if found is not None and goes_on else None
        self._free: SimpleQueue[bytearray] = SimpleQueue()
        self._full: SimpleQueue[tuple[bytearray, int] | None] = SimpleQueue()
        for _ in range(2):
            self._free.put(bytearray(portion))
        self._thread = threading.Thread(target=self._hash, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._full.put(None)
        self._thread.join()
        if self._hashed is None:
            return
        with _lock:
            _running[self._key] = _Running(self._size, self._hashed, self._touched)
            while len(_running) > _MOST:
                _running.popitem(last=False)

    def buffer(self) -> bytearray:
        """One that is hashed, to be filled; `add` gives it back."""
        return self._free.get()

    def add(self, buffer: bytearray, size: int, touched: datetime) -> None:
        """Hash the first bytes of a buffer; they count, and the upload's row says `touched` of them."""
        self._size, self._touched = self._size + size, touched
        self._full.put((buffer, size))

    def _hash(self) -> None:
        while (found := self._full.get()) is not None:
            buffer, size = found
            if self._hashed is not None:
                self._hashed.update(memoryview(buffer)[:size])
            self._free.put(buffer)


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
