"""How much of the machine a child uses, as /proc says. (RLIMIT_AS would count what CUDA only reserves.)"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

__all__ = ["Usage", "default_memory_limit", "usage"]

_SESSION = 3
"""Field of /proc/PID/stat after the name, from 0."""
_COUNTED = re.compile(r"^(?:VmRSS|VmPTE|VmSwap):\s+(\d+) kB$", re.MULTILINE)
"""Resident pages, the tables that lead to them (mapping much and touching little fills those), and swap."""
_THREADS = re.compile(r"^Threads:\s+(\d+)$", re.MULTILINE)


class Usage(NamedTuple):
    """What one process, or all of a session, holds at the moment."""

    memory: int
    """Bytes, resident and in swap, page tables with them."""
    threads: int


def default_memory_limit() -> int:
    """Four fifths of the machine's memory, in bytes."""
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 0.8)


def usage(process: int, *, family: bool = False) -> Usage | None:
    """What a process uses; None where the system does not say or it has ended.

    Args:
        family: with every process in its session, which none of them can leave.
    """
    own = _of(process)
    if own is None or not family:
        return own
    others = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    members = (_of(number) for number in others if number != process and _session(number) == process)
    found = [own, *(member for member in members if member is not None)]
    return Usage(sum(one.memory for one in found), sum(one.threads for one in found))


def _of(process: int) -> Usage | None:
    try:
        status = Path(f"/proc/{process}/status").read_text(errors="replace")
    except OSError:
        return None
    threads = _THREADS.search(status)
    counted = _COUNTED.findall(status)
    # A process that has ended and waits for its parent has no memory.
    return Usage(sum(map(int, counted)) * 1024, int(threads[1])) if threads and counted else None


def _session(process: int) -> int | None:
    try:
        # The name may hold anything, brackets too.
        fields = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[_SESSION]) if len(fields) > _SESSION else None
