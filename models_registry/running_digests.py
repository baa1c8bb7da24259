"""Digests of uploads that are under way in this process, so that a finished file need not be read again.

Each chunk is hashed beside its way to the disk. A digest counts only where this process saw every chunk of
the upload in its order and nobody touched it since (another process may have begun it anew); where that is
not so, the file is read when it is finished.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["Beside", "digest_of", "forget", "hashed_beside"]

_MOST = 256
"""Uploads that are remembered; the one that was touched longest ago goes first."""


@dataclass
class Beside:
    """What has been hashed, up to and with a chunk."""

    size: int
    hashed: Any
    touched: datetime | None = None
    """When the upload's row says that it was touched: before the chunk, and once that is stored, by it."""


_running: OrderedDict[uuid.UUID, Beside] = OrderedDict()
_lock = threading.Lock()


@contextmanager
def hashed_beside(key: uuid.UUID, offset: int, chunk: bytes) -> Iterator[Beside]:
    """Hash `chunk`, which begins at `offset`, while the body stores it; where that fails no digest stays.

    The body takes the digest's `touched` for what it should find in the row, and leaves there what it wrote
    (None where the digest counts for nothing).
    """
    with _lock:
        found = _running.pop(key, None)
    if offset == 0:
        found = Beside(0, hashlib.sha256())
    if found is None or found.size != offset:
        yield Beside(0, None)
        return
    beside = threading.Thread(target=found.hashed.update, args=(chunk,))
    beside.start()
    try:
        yield found
    finally:
        beside.join()
    if found.touched is None:
        return
    found.size = offset + len(chunk)
    with _lock:
        _running[key] = found
        while len(_running) > _MOST:
            _running.popitem(last=False)


def digest_of(key: uuid.UUID, size: int, touched: datetime) -> str | None:
    """SHA-256 of the upload's first `size` bytes; None where this process did not see all of them.

    Args:
        touched: what the upload's row says by now.
    """
    with _lock:
        found = _running.get(key)
        fits = found is not None and found.size == size and found.touched == touched
        return str(found.hashed.hexdigest()) if fits and found is not None else None


def forget(key: uuid.UUID) -> None:
    with _lock:
        _running.pop(key, None)
