"""What the timings belong to: processor, threads, libraries, GPU."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.models.base import Model
from assay.models.torch_model import TorchModel

__all__ = ["hardware_class", "pinned_threads", "threads_of"]


def hardware_class(model: Model) -> str:
    """ "Intel Xeon, 2 cores" or the GPU's name: timings are compared within one class only."""
    if model.device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name(model.device))
    return f"{_processor()}, {_cores()} {'core' if _cores() == 1 else 'cores'}"


def threads_of(model: Model) -> int:
    """Threads that one call may use."""
    if isinstance(model, TorchModel):
        import torch

        return int(torch.get_num_threads())
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(limit), _cores()) if limit.isdigit() and int(limit) > 0 else _cores()


@contextmanager
def pinned_threads(model: Model, threads: int) -> Iterator[None]:
    """Let torch use so many threads inside; 0 leaves everything as it is. Other libraries are not touched."""
    if threads == 0 or not isinstance(model, TorchModel):
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return " ".join((names[0] if names else platform.processor() or platform.machine()).split())
