"""Interval for the difference of two rates on the same rows: what one change did, row by row."""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from assay.errors import BadInput
from assay.stats.intervals import Interval, interval_of, normal_quantile

__all__ = ["tango_difference"]

Array: TypeAlias = npt.NDArray[Any]
T = TypeVar("T", float, Array)

_HALVINGS = 60


def tango_difference(first_only: T, second_only: T, n: T, level: float = 0.95) -> Interval[T]:
    """Score interval for p1 - p2 of paired rates: all d that a score test of p1 - p2 = d does not reject.

    With b rows that only the first has right, c that only the second has, and q the maximum likelihood
    probability of the latter under p1 - p2 = d, the statistic is
    (b - c - n d) / sqrt(n (2 q + d (1 - d))). It falls in d, so each limit is found by bisection. Keeps its
    level at few discordant rows, where the interval of the normal approximation collapses to a point.

    Args:
        first_only, second_only: b and c; they broadcast, and may be sums of shares of rows.
        n: all rows, concordant ones included; 0 gives [-1, 1].
        level: confidence level in (0, 1).

    Raises:
        BadInput: counts below 0 or together above n, or a level outside (0, 1).

    Source: Tango 1998, Statistics in Medicine 17.
    """
    b, c, m = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (first_only, second_only, n)))
    if not (np.all(b >= 0) and np.all(c >= 0) and np.all(b + c <= m * (1 + 1e-12))):
        raise BadInput(f"Discordant rows must lie between 0 and n; got {first_only}, {second_only} of {n}.")
    z = normal_quantile(level)
    empty = m == 0
    rows = np.where(empty, 1.0, m)
    centre = (b - c) / rows

    def limit(end: float) -> Array:
        inside, outside = centre, np.full(centre.shape, end)
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            accepted = np.abs(_statistic(b, c, rows, middle)) <= z
            inside, outside = np.where(accepted, middle, inside), np.where(accepted, outside, middle)
        return np.where(empty, end, inside)

    return interval_of(limit(-1.0), limit(1.0))


def _statistic(b: Array, c: Array, n: Array, d: Array) -> Array:
    """Score statistic of p1 - p2 = d at the constrained maximum likelihood rates."""
    linear = (2 * n - b + c) * d - b - c
    root = np.sqrt(np.maximum(linear**2 + 8 * n * c * d * (1 - d), 0.0))
    q = (root - linear) / (4 * n)
    variance = n * (2 * q + d * (1 - d))
    gap = b - c - n * d
    safe = np.where(variance > 0, variance, 1.0)
    return np.where(variance > 0, gap / np.sqrt(safe), np.where(gap == 0, 0.0, np.inf))
