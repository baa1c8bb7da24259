"""The bootstrap of Efron 1979, row by row: what the faster ones have to agree with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["row_bootstrap"]


def row_bootstrap(
    statistic: Callable[..., Any],
    arrays: Sequence[npt.NDArray[Any]],
    replicates: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """`statistic(*arrays)` over resamples of the rows of all arrays together."""
    rows = len(arrays[0])
    drawn = (rng.integers(0, rows, size=rows) for _ in range(replicates))
    return np.array([statistic(*(array[index] for array in arrays)) for index in drawn], dtype=np.float64)
