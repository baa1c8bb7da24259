"""A fixed computation, timed between the calls of the model: how fast the machine was during this audit.

Two audits of one machine on two days measure two machines: another process, a warmer processor or a busier
host change every time. What the same computation took in both says by how much.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

__all__ = ["YARDSTICK", "YARDSTICK_CALLS", "yardstick"]

YARDSTICK = 0
"""Its place among the batch sizes of `time_rounds`."""
YARDSTICK_CALLS = 600
"""Enough for a bounded 99th percentile (CALLS_FOR_P99)."""


def yardstick(device: str) -> Callable[[int], object]:
    """About half a millisecond of interpreter, memory and arithmetic on one core; on a GPU a product too."""
    numbers = np.random.default_rng(0).normal(size=32_768)
    block = numbers.tobytes()

    def compute(_number: int) -> object:
        hashlib.sha256(block).digest()
        return sum(range(2_000)) + float(np.exp(-(np.sort(numbers) ** 2)).sum())

    if not device.startswith("cuda"):
        return compute
    import torch

    matrix = torch.ones((1_024, 1_024), device=device)

    def compute_there(number: int) -> object:
        compute(number)
        return matrix @ matrix

    return compute_there
