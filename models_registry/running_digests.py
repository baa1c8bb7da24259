"""Digests of uploads that are under way in this process, so that a finished file need not be read again.

Each chunk is hashed once it is kept, while the next one is on its way. A digest counts only where this
process kept every chunk of the upload in its order and nobody touched the upload in between (another process
may have begun it anew); where that is not so, the file is read when it is finished.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import OrderedDict
from datetime import datetime
from typing import Any, NamedTuple

__all__ = ["digest_of", "forget", "hash_on"]

_MOST = 256
"""Uploads that are remembered; the one that was touched longest ago goes first."""
_MOST_CHUNKS = 8
"""Chunks that wait for their hash at one time, each in memory; who brings one more waits."""


class _Running(NamedTuple):
    size: int
    """Bytes that are hashed when `beside` has ended."""
    hashed: Any
    touched: datetime
    """When the upload's row says that it was touched, by the newest chunk."""
    beside: threading.Thread | None


_running: OrderedDict[uuid.UUID, _Running] = OrderedDict()
_lock = threading.Lock()
_room = threading.BoundedSemaphore(_MOST_CHUNKS)


def hash_on(key: uuid.UUID, offset: int, chunk: bytes, *, before: datetime, after: datetime) -> None:
    """Hash a chunk that was kept at `offset`, beside whatever comes next; another place ends the digest.

    Args:
        before, after: what the upload's row said of its last touch before the chunk, and says now.
    """
    with _lock:
        found = _running.pop(key, None)
    if offset == 0:
        found = _Running(0, hashlib.sha256(), before, None)
    if found is None or found.size != offset or found.touched != before:
        return
    if found.beside is not None:
        found.beside.join()
    _room.acquire()
    beside = threading.Thread(target=_update, args=(found.hashed, chunk), daemon=True)
    beside.start()
    with _lock:
        _running[key] = _Running(offset + len(chunk), found.hashed, after, beside)
        while len(_running) > _MOST:
            _running.popitem(last=False)


def digest_of(key: uuid.UUID, size: int, touched: datetime) -> str | None:
    """SHA-256 of the upload's first `size` bytes; None where this process did not keep all of them.

    Args:
        touched: what the upload's row says by now.
    """
    with _lock:
        found = _running.get(key)
    if found is None or found.size != size or found.touched != touched:
        return None
    if found.beside is not None:
        found.beside.join()
    digest: str = found.hashed.hexdigest()
    return digest


def forget(key: uuid.UUID) -> None:
    with _lock:
        _running.pop(key, None)


def _update(hashed: Any, chunk: bytes) -> None:
    try:
        hashed.update(chunk)
    finally:
        _room.release()
