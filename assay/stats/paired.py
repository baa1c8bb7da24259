"""Two runs on the same rows: tests and intervals for a change that know that the rows are the same.

Estimates from the same rows go up and down together, so the interval of their difference is narrower than
that of two independent samples. A change is B - A throughout: `gained` rows count in B alone, `lost` rows
in A alone. Intervals for shares of the same rows stand in `paired_rates`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from assay.errors import BadInput
from assay.stats.bootstrap import multinomial_bootstrap
from assay.stats.intervals import Interval, checked_level, normal_quantile

__all__ = [
    "Areas",
    "McNemar",
    "mcnemar",
    "paired_areas",
    "paired_mean_interval",
    "smoothed_bootstrap",
]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


class McNemar(NamedTuple):
    """Two-sided p-values of "as many rows were gained as were lost"."""

    exact: float
    mid_p: float
    """Close to the nominal level where the exact test stays far below it."""


def mcnemar(lost: int, gained: int) -> McNemar:
    """McNemar's exact conditional test and its mid-p version.

    Given `lost + gained` rows that changed, `gained` is Binomial(lost + gained, 1/2) under the hypothesis.
    exact = 2 P(X <= min), at most 1; mid-p = exact - P(X = min), or 1 - P(X = min)/2 where both are equal.

    Raises:
        BadInput: a negative count.

    Source: McNemar 1947; Fagerland, Lydersen & Laake 2013, BMC Medical Research Methodology 13:91.
    """
    if lost < 0 or gained < 0:
        raise BadInput(f"Counts of changed rows cannot be negative; got {lost} and {gained}.")
    n, fewer = lost + gained, min(lost, gained)
    if n == 0:
        return McNemar(1.0, 1.0)
    tail = float(special.bdtr(fewer, n, 0.5))
    point = math.exp(
        special.gammaln(n + 1) - special.gammaln(fewer + 1) - special.gammaln(n - fewer + 1) - n * math.log(2)
    )
    if lost == gained:
        return McNemar(1.0, 1.0 - point / 2)
    return McNemar(min(2 * tail, 1.0), 2 * tail - point)


def smoothed_bootstrap(
    joint: npt.ArrayLike, pseudo: npt.ArrayLike, replicates: int, rng: np.random.Generator
) -> Ints:
    """Resamples of the joint cells of two runs, of a table with a few rows added.

    Resampling the rows makes the counts of any cross-table of them Multinomial(n, counts / n); so one draw
    of the joint cells (group x label x prediction of A x prediction of B), or of any marginal of them,
    resamples both runs at once and keeps what they have in common. Where no row changed, a bootstrap would
    call the change certain; rows added to the cells of lost and gained rows, one each, prevent that, and
    are how Bonett & Price adjust the interval for two paired proportions.

    Args:
        joint: rows of each joint cell, shape (cells,).
        pseudo: what is added to each cell, shape (cells,); fractions are allowed.

    Returns:
        Counts, shape (replicates, cells), of round(sum(joint) + sum(pseudo)) rows each.

    Source: Efron & Tibshirani 1993, chapter 6; Bonett & Price 2012, Journal of Educational and Behavioral
    Statistics 37:479-488.
    """
    cells, added = np.asarray(joint, dtype=np.int64), np.asarray(pseudo, dtype=np.float64)
    if not added.any():
        return multinomial_bootstrap(cells, replicates, rng)
    if np.any(cells < 0) or np.any(added < 0):
        raise BadInput("A joint cell cannot hold a negative number of rows.")
    weights = cells + added
    drawn = np.zeros((replicates, cells.size), dtype=np.int64)
    filled = np.flatnonzero(weights)
    shares = weights[filled] / weights.sum()
    drawn[:, filled] = rng.multinomial(round(float(weights.sum())), shares, size=replicates)
    return drawn


class Areas(NamedTuple):
    """AUCs of two scores of the same rows, and the covariance matrix of both."""

    first: float
    second: float
    covariance: Floats
    """Shape (2, 2)."""
    pairs: int
    """Disjoint (positive, negative) pairs that can be formed."""

    @property
    def change(self) -> float:
        return self.second - self.first

    @property
    def change_variance(self) -> float:
        c = self.covariance
        return max(float(c[0, 0] + c[1, 1] - 2 * c[0, 1]), 0.0)

    @property
    def sum_variance(self) -> float:
        c = self.covariance
        return max(float(c[0, 0] + c[1, 1] + 2 * c[0, 1]), 0.0)

    @property
    def p_value(self) -> float:
        """DeLong's two-sided test of equal AUCs; 1 where the scores rank every pair alike."""
        if self.change_variance <= _NO_VARIANCE:
            return 1.0 if self.change == 0 else 0.0
        return float(special.erfc(abs(self.change) / math.sqrt(2 * self.change_variance)))

    def change_interval(self, level: float = 0.95) -> Interval[float]:
        """Normal interval of the change, inside [-1, 1].

        Without variance (both scores rank all rows alike) from the disjoint pairs: none of k pairs differs
        with probability at most (1 - level)/2 where more than 1 - ((1 - level)/2)^(1/k) of all do.
        """
        if self.change_variance > _NO_VARIANCE:
            half = float(normal_quantile(level)) * math.sqrt(self.change_variance)
        else:
            half = 1 - ((1 - float(checked_level(level))) / 2) ** (1 / max(self.pairs, 1))
        return Interval(max(self.change - half, -1.0), min(self.change + half, 1.0))


_NO_VARIANCE = 1e-24


def paired_areas(
    first: Floats, second: Floats, positive: npt.NDArray[np.bool_], cluster: Ints | None = None
) -> Areas:
    """AUCs of two scores with DeLong's covariance, by midranks in O(n log n).

    A positive's placement is the share of negatives that it outranks (ties count half), a negative's the
    share of positives above it; the AUC is the mean placement, and
    cov = cov(placements of positives) / positives + cov(placements of negatives) / negatives.
    With clusters, placements are added up within them before they are multiplied (Obuchowski 1997).

    Args:
        first, second: scores, shape (rows,).
        positive: which rows are positives, shape (rows,).
        cluster: cluster numbers, shape (rows,), or None where rows are independent.

    Raises:
        BadInput: fewer than 2 rows of either class.

    Source: DeLong, DeLong & Clarke-Pearson 1988; Sun & Xu 2014.
    """
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < 2:
        raise BadInput(f"Two AUCs need 2 rows of each class; got {m} and {n}.")
    of_positive, of_negative = np.empty((2, m)), np.empty((2, n))
    for k, scores in enumerate((first, second)):
        ranks = _midranks(scores)
        of_positive[k] = (ranks[positive] - _midranks(scores[positive])) / n
        of_negative[k] = 1 - (ranks[~positive] - _midranks(scores[~positive])) / m
    areas = of_positive.mean(axis=1)
    pairs = min(m, n)
    if cluster is None:
        covariance = np.asarray(np.cov(of_positive) / m + np.cov(of_negative) / n, dtype=np.float64)
    else:
        moved = np.zeros((2, len(positive)))
        moved[:, positive] = (of_positive - areas[:, None]) / m
        moved[:, ~positive] = (of_negative - areas[:, None]) / n
        names, place = np.unique(cluster, return_inverse=True)
        summed = np.stack([np.bincount(place, row, names.size) for row in moved])
        covariance = np.asarray(summed @ summed.T * (names.size / max(names.size - 1, 1)))
        pairs = max(min(pairs, names.size // 2), 1)
    return Areas(float(areas[0]), float(areas[1]), covariance, pairs)


def _midranks(values: Floats) -> Floats:
    """Ranks from 1, equal values sharing their mean rank."""
    distinct, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    del distinct
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place])


def paired_mean_interval(
    values: npt.NDArray[Any], level: float = 0.95, cluster: Ints | None = None
) -> Interval[float] | None:
    """Student's t interval for the mean of differences (or of any value) over rows.

    With clusters the rows of one add up before they are squared, and clusters - 1 degrees of freedom count.

    Returns:
        None where there is no spread to estimate: fewer than 2 rows or clusters, or equal values.

    Source: Student 1908; Liang & Zeger 1986.
    """
    rows = len(values)
    if rows < 2:
        return None
    mean = float(np.mean(values))
    centred = np.asarray(values - mean, dtype=np.float64)
    units = rows
    if cluster is not None:
        names, place = np.unique(cluster, return_inverse=True)
        units, centred = names.size, np.bincount(place, centred, names.size).astype(np.float64)
        if units < 2:
            return None
    variance = float((centred**2).sum()) * units / (units - 1) / rows**2
    if variance <= _NO_VARIANCE:
        return None
    t = float(special.stdtrit(units - 1, (1 + float(checked_level(level))) / 2))
    half = t * math.sqrt(variance)
    return Interval(mean - half, mean + half)
