"""Resampling: from cells, or from clusters.

Resampling n rows with replacement makes the counts of any cross-table of those rows exactly
Multinomial(n, counts/n). So every statistic of counts is resampled from its cells, whatever n is.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from assay.errors import BadInput
from assay.stats.intervals import Interval

__all__ = ["cluster_bootstrap", "multinomial_bootstrap", "percentile_interval"]

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]

# cluster weights held at once: indices, counts and floats of this many entries take 48 MB
_CHUNK = 2_000_000


def multinomial_bootstrap(counts: npt.ArrayLike, replicates: int, rng: np.random.Generator) -> IntArray:
    """Counts of the cells in `replicates` resamples of the rows: Multinomial(n, counts / n).

    Args:
        counts: rows in each cell, shape (cells,), n = their sum.

    Returns:
        shape (replicates, cells); every row sums to n, and a cell without rows stays without.

    Raises:
        BadInput: a negative count or fewer than 1 replicate.

    Source: Efron & Tibshirani 1993, chapter 6 (the bootstrap as a multinomial).
    """
    cells = np.asarray(counts, dtype=np.int64)
    _check_replicates(replicates)
    if np.any(cells < 0):
        raise BadInput(f"A cell cannot hold {cells.min()} rows.")
    drawn = np.zeros((replicates, cells.size), dtype=np.int64)
    total = int(cells.sum())
    if total:
        filled = np.flatnonzero(cells)
        drawn[:, filled] = rng.multinomial(total, cells[filled] / total, size=replicates)
    return drawn


def cluster_bootstrap(sums: npt.ArrayLike, replicates: int, rng: np.random.Generator) -> FloatArray:
    """Totals over `replicates` resamples of whole clusters (persons with several rows, schools).

    Args:
        sums: shape (clusters, k): what each cluster adds to each of k totals (cell counts, sums).

    Returns:
        shape (replicates, k): totals over as many clusters, drawn with replacement.

    Raises:
        BadInput: no cluster, or fewer than 1 replicate.

    Source: Davison & Hinkley 1997, section 3.8; Cameron, Gelbach & Miller 2008.
    """
    table = np.asarray(sums, dtype=np.float64)
    _check_replicates(replicates)
    if table.ndim != 2 or not len(table):
        raise BadInput(f"Cluster sums of shape (at least 1, k) are needed; got {table.shape}.")
    clusters = len(table)
    totals = np.empty((replicates, table.shape[1]))
    step = max(1, _CHUNK // clusters)
    for start in range(0, replicates, step):
        size = min(step, replicates - start)
        # counting drawn indices gives the same multinomial weights as rng.multinomial, 10 times faster
        drawn = rng.integers(0, clusters, size=(size, clusters))
        drawn += np.arange(size)[:, None] * clusters
        weights = np.bincount(drawn.ravel(), minlength=size * clusters).reshape(size, clusters)
        totals[start : start + size] = weights.astype(np.float64) @ table
    return totals


def percentile_interval(
    replicates: npt.ArrayLike, level: float = 0.95, axis: int = 0
) -> Interval[npt.NDArray[Any]]:
    """The middle `level` of the replicates along `axis`; replicates that are NaN (undefined) are left out.

    Source: Efron & Tibshirani 1993, chapter 13.
    """
    if not 0 < level < 1:
        raise BadInput(f"A confidence level lies between 0 and 1, both excluded; got {level}.")
    values = np.asarray(replicates, dtype=np.float64)
    tails = [(1 - level) / 2, (1 + level) / 2]
    undefined = np.isnan(values)
    if not undefined.any():
        low, high = np.quantile(values, tails, axis=axis)
        return Interval(low, high)
    # NaN sorts last: quantiles of the defined part, column by column of what remains
    ordered = np.sort(np.moveaxis(values, axis, 0), axis=0)
    defined = ordered.shape[0] - np.isnan(ordered).sum(axis=0)
    low, high = (_quantile_of_sorted(ordered, defined, q) for q in tails)
    return Interval(low, high)


def _quantile_of_sorted(ordered: FloatArray, defined: npt.NDArray[Any], q: float) -> FloatArray:
    """Linear-interpolation quantile of the first `defined` entries along axis 0; NaN where there are none."""
    position = q * np.maximum(defined - 1, 0)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(defined - 1, 0))
    at = np.take_along_axis(ordered, below[None], axis=0)[0]
    after = np.take_along_axis(ordered, above[None], axis=0)[0]
    return np.asarray(at + (position - below) * (after - at))


def _check_replicates(replicates: int) -> None:
    if replicates < 1:
        raise BadInput(f"At least 1 bootstrap replicate is needed; got {replicates}.")
