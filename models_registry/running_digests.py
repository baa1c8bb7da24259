"""Digests of uploads that are under way in this process, so that a finished file need not be read again.

Each chunk is hashed beside its way to the disk. A digest counts only where this process saw every chunk of
the upload in its order; where it did not, the file is read when it is finished.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

__all__ = ["digest_of", "forget", "hashed_beside"]

_MOST = 256
"""Uploads that are remembered; the one that was touched longest ago goes first."""


class _Running(NamedTuple):
    size: int
    hashed: Any


_running: OrderedDict[uuid.UUID, _Running] = OrderedDict()
_lock = threading.Lock()


@contextmanager
def hashed_beside(key: uuid.UUID, offset: int, chunk: bytes) -> Iterator[None]:
    """Hash `chunk`, which begins at `offset`, while the body stores it; where that fails no digest stays."""
    with _lock:
        found = _running.pop(key, None)
    if offset == 0:
        found = _Running(0, hashlib.sha256())
    if found is None or found.size != offset:
        yield
        return
    beside = threading.Thread(target=found.hashed.update, args=(chunk,))
    beside.start()
    try:
        yield
    finally:
        beside.join()
    with _lock:
        _running[key] = _Running(offset + len(chunk), found.hashed)
        while len(_running) > _MOST:
            _running.popitem(last=False)


def digest_of(key: uuid.UUID, size: int) -> str | None:
    """SHA-256 of the upload's first `size` bytes; None where this process did not see all of them."""
    with _lock:
        found = _running.get(key)
        return found.hashed.hexdigest() if found is not None and found.size == size else None


def forget(key: uuid.UUID) -> None:
    with _lock:
        _running.pop(key, None)
