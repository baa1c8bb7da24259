"""How the web process's C library keeps memory: chunks of uploads come and go by the megabyte.

glibc gives each freed piece of a megabyte back to the system and has it filled with zeros again a moment
later; that alone took over a second of processor time for each gigabyte of an upload.
"""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_MOST_FROM_HEAP = 32 * 2**20
"""glibc takes no more."""
_MOST_KEPT = 64 * 2**20


def keep_freed_memory() -> bool:
    """Have up to 64 MiB of freed memory kept for the next chunk; whether the C library does so (glibc)."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # Threads share two heaps: each of a dozen would keep as much.
    taken = [
        mallopt(name, value)
        for name, value in (
            (_M_MMAP_THRESHOLD, _MOST_FROM_HEAP),
            (_M_TRIM_THRESHOLD, _MOST_KEPT),
            (_M_ARENA_MAX, 2),
        )
    ]
    return all(taken)
