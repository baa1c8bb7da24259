"""How much memory answering takes: of the process, and of the device."""

from __future__ import annotations

import ctypes
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

__all__ = ["PeakMemory", "peak_memory"]

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory(NamedTuple):
    """Bytes at the highest moment of some calls; null where the system does not tell."""

    process: int
    """Resident memory of the whole process."""
    working: int | None
    """The same less what was resident before: what the calls themselves needed."""
    allocated: int | None = None
    """Of tensors on the GPU, weights included."""
    reserved: int | None = None
    """What torch kept of the GPU for them."""


def peak_memory(work: Callable[[], object], device: str) -> PeakMemory:
    """Run `work` and say how high memory went.

    Free memory is handed back to the system before (`malloc_trim`), and the kernel's own high-water mark is
    set back, so that nothing between two samples is missed. Where the mark cannot be set back (no Linux,
    or a kernel that refuses), `process` is the highest moment since the process began and `working` null.
    """
    allocated = reserved = None
    on_gpu = device.startswith("cuda")
    if on_gpu:
        import torch

        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    before = _settled() if _reset_mark() else None
    work()
    if on_gpu:
        torch.cuda.synchronize(device)
        allocated = int(torch.cuda.max_memory_allocated(device))
        reserved = int(torch.cuda.max_memory_reserved(device))
    mark = _kilobytes("VmHWM")
    if before is None or mark is None:
        scale = 1 if sys.platform == "darwin" else 1024
        return PeakMemory(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale, None, allocated, reserved
        )
    return PeakMemory(mark, max(0, mark - before), allocated, reserved)


def _reset_mark() -> bool:
    """Hand free memory back, then set the high-water mark to what is resident now; whether that worked."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _settled() -> int | None:
    return _kilobytes("VmHWM")


def _kilobytes(name: str) -> int | None:
    """A line of /proc/self/status, in bytes."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith(f"{name}:")), None)
    return None if found is None else int(found.split()[1]) * 1024
