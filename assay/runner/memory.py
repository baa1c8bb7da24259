"""How much memory a child uses, as /proc says. (RLIMIT_AS would count what CUDA only reserves.)"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["resident"]

_SESSION, _RESIDENT = 3, 21
"""Fields of /proc/PID/stat after the name, from 0."""


def resident(process: int, *, family: bool = False) -> int | None:
    """Resident bytes of a process; None where the system does not say or it has ended.

    Args:
        family: with those of every process in its session, which none of them can leave.
    """
    own = _stat(process)
    if own is None:
        return None
    pages = int(own[_RESIDENT])
    if family:
        others = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        found = (_stat(number) for number in others if number != process)
        pages += sum(
            int(stat[_RESIDENT]) for stat in found if stat is not None and stat[_SESSION] == str(process)
        )
    return pages * os.sysconf("SC_PAGE_SIZE")


def _stat(process: int) -> list[str] | None:
    try:
        # The name may hold anything, brackets too.
        fields = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return fields if len(fields) > _RESIDENT else None
