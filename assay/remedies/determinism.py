"""The same steps each time: deterministic algorithms, and torch's generator keyed by what it is used for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from assay.rng import keyed_rng

__all__ = ["deterministic", "seed_torch"]


@contextmanager
def deterministic(device: torch.device | str) -> Iterator[None]:
    """Deterministic algorithms, and the generators as they were afterwards."""
    on_gpu = torch.device(device).type == "cuda"
    # cuBLAS reads this before its first call; torch refuses nothing here, it only warns without it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    was = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    filling = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]  # set at import
    # Filling every new tensor with NaN finds reads of what nobody wrote, and makes a step a tenth longer.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # likewise
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    try:
        with torch.random.fork_rng(devices=[torch.device(device)] if on_gpu else []):
            yield
    finally:
        torch.use_deterministic_algorithms(was[0], warn_only=was[1])
        torch.backends.cudnn.benchmark = benchmark
        torch.utils.deterministic.fill_uninitialized_memory = filling  # type: ignore[attr-defined]  # likewise


def seed_torch(seed: int, *key: str | int) -> None:
    """Torch's generator (dropout, random starts) for one purpose."""
    torch.manual_seed(int(keyed_rng(seed, "training", *key).integers(2**63)))
