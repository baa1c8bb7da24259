"""Every pair of groups, with intervals that hold for all pairs at once.

The largest gap over many small groups is biased upwards: chance alone spreads the estimates. So gaps
are judged pair by pair, under intervals whose error is shared out over the whole family of pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from assay.errors import BadInput
from assay.stats.intervals import clopper_pearson_interval
from assay.stats.melded import melded_difference, melded_ratio
from assay.stats.membership import Unplaced
from assay.stats.multiplicity import bonferroni_level

__all__ = ["PairTable", "pairwise_bootstrap", "pairwise_differences", "pairwise_ratios"]

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]

# melding takes some 0.1 ms a pair: minutes for the nine rates of 1,000 groups
_MOST_MELDED = 20_000


@dataclass(frozen=True)
class PairTable:
    """All unordered pairs of comparable groups, one entry a pair (last axis).

    A difference is value[first] - value[second], oriented so that it is >= 0; a ratio is
    value[first] / value[second], oriented so that it is <= 1. Ties keep the order of the groups.
    """

    first: IntArray
    """Index of the minuend (the higher) or numerator (the lower) group, in the arrays passed in."""
    second: IntArray
    value: FloatArray
    """NaN for a ratio of two rates that are both 0."""
    low: FloatArray
    high: FloatArray
    """inf where the ratio has no upper limit (no successes in `second`)."""
    n: IntArray
    """Rows of both groups together."""
    family: int
    """How many intervals share the level."""

    def __len__(self) -> int:
        return int(self.first.shape[-1])


def pairwise_differences(
    successes: npt.ArrayLike,
    trials: npt.ArrayLike,
    level: float = 0.95,
    family: int | None = None,
    unplaced: Unplaced | None = None,
) -> PairTable:
    """Simultaneous intervals for the differences of all pairs of rates.

    Each is the `melded_difference` at level 1 - (1 - level)/family, so that all hold together with at
    least `level` (Bonferroni). Of more than 20,000 pairs each is the difference of the Clopper-Pearson
    limits of both rates at half that error: it needs no search, holds as surely, and is up to
    half as wide again.

    Args:
        successes: shape (..., groups); leading axes are independent repetitions (simulations).
        trials: shape (groups,); groups without trials take part in no pair.
        level: simultaneous confidence level.
        family: number of intervals sharing the level; default: the number of pairs.
        unplaced: further rows, shape (groups,), that may belong to a group or not: every interval then
            holds those of all ways of placing them (`assay.stats.membership`).

    Raises:
        BadInput: successes outside [0, trials], a level outside (0, 1), a family below 1.

    Source: Fay, Proschan & Brittain 2015; Dunn 1961 (Bonferroni intervals).
    """
    x, n = np.asarray(successes), np.asarray(trials)
    left, right = _pairs(n > 0)
    size = _family(left, family)
    rates = x / np.where(n == 0, 1, n)
    first, second = _orient(rates, left, right, higher_first=True)
    p1, p2 = _take(rates, first), _take(rates, second)
    each = bonferroni_level(level, size)
    low, high = _limits_of_pairs("difference", x, n, first, second, each, unplaced)
    return PairTable(first, second, p1 - p2, low, high, n[first] + n[second], size)


def pairwise_ratios(
    successes: npt.ArrayLike,
    trials: npt.ArrayLike,
    level: float = 0.95,
    family: int | None = None,
    unplaced: Unplaced | None = None,
) -> PairTable:
    """Simultaneous intervals for the ratios (lower to higher) of all pairs of rates.

    Each is the `melded_ratio` at level 1 - (1 - level)/family. Arguments, simultaneity and errors as
    for `pairwise_differences`.

    Source: Fay, Proschan & Brittain 2015; Dunn 1961 (Bonferroni intervals).
    """
    x, n = np.asarray(successes), np.asarray(trials)
    left, right = _pairs(n > 0)
    size = _family(left, family)
    rates = x / np.where(n == 0, 1, n)
    first, second = _orient(rates, left, right, higher_first=False)
    p1, p2 = _take(rates, first), _take(rates, second)
    each = bonferroni_level(level, size)
    low, high = _limits_of_pairs("ratio", x, n, first, second, each, unplaced)
    return PairTable(first, second, _ratio(p1, p2), low, high, n[first] + n[second], size)


def pairwise_bootstrap(
    values: npt.ArrayLike,
    replicates: npt.ArrayLike,
    n: npt.ArrayLike,
    level: float = 0.95,
    kind: Literal["difference", "ratio"] = "difference",
) -> PairTable:
    """Simultaneous bootstrap intervals for all pairs, for values that are not independent binomials.

    With t_b the largest |t*_b - t| / s over all pairs in replicate b, s the spread of the pair's
    replicates and c the `level` quantile of the t_b, each interval is t +- c s. Ratios are handled on
    the log scale. The dependence between pairs is used, so the intervals are narrower than Bonferroni's.

    A group whose replicates do not vary (a rate of 0 or 1) tells the bootstrap nothing about its
    error, so its pairs get no limits: (-inf, inf) for a difference, (0, inf) for a ratio.

    Args:
        values: shape (groups,); NaN marks a group without a value, which takes part in no pair.
        replicates: shape (replicates, groups), the values in each resample; NaN counts as beyond
            every limit.
        n: shape (groups,), rows of each group.

    Raises:
        BadInput: fewer than 2 replicates, a level outside (0, 1).

    Source: Romano & Wolf 2005; Westfall & Young 1993 (max-T).
    """
    v, draws, rows = np.asarray(values, dtype=float), np.asarray(replicates, dtype=float), np.asarray(n)
    if draws.ndim != 2 or draws.shape[0] < 2 or draws.shape[1:] != v.shape:
        raise BadInput(f"Replicates of shape (at least 2, {v.size}) are needed; got {draws.shape}.")
    bonferroni_level(level, 1)
    left, right = _pairs(np.isfinite(v) & (rows > 0))
    first, second = _orient(v, left, right, higher_first=kind == "difference")
    if kind == "ratio":
        value = _ratio(v[first], v[second])
        with np.errstate(divide="ignore"):
            v, draws = np.log(v), np.log(draws)
    else:
        value = v[first] - v[second]
    low, high = _max_t_limits(v, draws, first, second, level)
    if kind == "ratio":
        low, high = np.exp(low), np.exp(high)
    return PairTable(first, second, value, low, high, rows[first] + rows[second], max(len(first), 1))


def _max_t_limits(
    v: FloatArray, draws: FloatArray, first: IntArray, second: IntArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Studentised max-|T| limits of v[first] - v[second]; unbounded for pairs that cannot be studentised."""
    finite = np.isfinite(draws)
    spread = np.array(
        [np.std(column[kept]) if kept.any() else 0.0 for column, kept in zip(draws.T, finite.T, strict=True)]
    )
    varies = np.isfinite(v) & (spread > 1e-12)
    usable = varies[first] & varies[second]
    low, high = np.full(first.shape, -np.inf), np.full(first.shape, np.inf)
    a, b = first[usable], second[usable]
    if not len(a):
        return low, high
    centre = v[a] - v[b]
    largest = np.zeros(len(draws))
    errors = np.empty(len(a))
    # pair by pair: (replicates, pairs) at once would take 5 GB for 10,000 x 66,000
    for k, (i, j) in enumerate(zip(a, b, strict=True)):
        whole = finite[:, i] & finite[:, j]
        gap = np.where(whole, draws[:, i], 0.0) - np.where(whole, draws[:, j], 0.0)
        errors[k] = np.std(gap[whole])
        score = np.where(whole, np.abs(gap - centre[k]), np.inf)
        np.maximum(largest, score / errors[k] if errors[k] > 0 else np.inf, out=largest)
    # the ceiling rank keeps the quantile conservative, and inf stays inf
    rank = min(int(np.ceil(level * (len(largest) + 1))), len(largest)) - 1
    half = np.sort(largest)[rank] * errors
    low[usable], high[usable] = centre - half, centre + half
    return low, high


def _pairs(comparable: npt.NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    groups = np.flatnonzero(comparable)
    left, right = np.triu_indices(len(groups), k=1)
    return groups[left], groups[right]


def _family(left: IntArray, family: int | None) -> int:
    return max(len(left), 1) if family is None else family


def _limits_of_pairs(
    kind: Literal["difference", "ratio"],
    x: npt.NDArray[Any],
    n: npt.NDArray[Any],
    first: IntArray,
    second: IntArray,
    level: float,
    unplaced: Unplaced | None,
) -> tuple[FloatArray, FloatArray]:
    """Limits of each pair; the lowest and the highest over all ways of placing the unplaced rows."""
    if unplaced is None or not unplaced.any:
        return _limits_of_counts(kind, x, n, first, second, level, (x, n))
    fewest, most = (x, n + unplaced.misses), (x + unplaced.hits, n + unplaced.hits)
    low, _ = _limits_of_counts(kind, *fewest, first, second, level, most)
    _, high = _limits_of_counts(kind, *most, first, second, level, fewest)
    return low, high


def _limits_of_counts(
    kind: Literal["difference", "ratio"],
    x: npt.NDArray[Any],
    n: npt.NDArray[Any],
    first: IntArray,
    second: IntArray,
    level: float,
    other: tuple[npt.NDArray[Any], npt.NDArray[Any]],
) -> tuple[FloatArray, FloatArray]:
    """Limits of each pair: the first group by its counts x of n, the second by those of `other`."""
    y, m = other
    if first.shape[-1] > _MOST_MELDED:
        l1, u1 = _limits_at_half_the_error(x, n, first, level)
        l2, u2 = _limits_at_half_the_error(y, m, second, level)
        return (l1 - u2, u1 - l2) if kind == "difference" else (l1 / u2, _over(u1, l2))
    melded = melded_difference if kind == "difference" else melded_ratio
    low, high = melded(_take(x, first), n[first], _take(y, second), m[second], level)
    return low, high


def _limits_at_half_the_error(
    x: npt.NDArray[Any], n: npt.NDArray[Any], groups: IntArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Exact limits of one rate of each pair, such that both hold together at `level`; made once a group."""
    low, high = clopper_pearson_interval(x, np.broadcast_to(n, x.shape), (1 + level) / 2)
    return _take(low, groups), _take(high, groups)


def _over(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    quotient = np.full(numerator.shape, np.inf)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def _orient(
    values: FloatArray, left: IntArray, right: IntArray, *, higher_first: bool
) -> tuple[IntArray, IntArray]:
    a, b = values[..., left], values[..., right]
    swap = b > a if higher_first else b < a
    return np.where(swap, right, left), np.where(swap, left, right)


def _take(values: npt.NDArray[Any], index: IntArray) -> FloatArray:
    return np.take_along_axis(np.asarray(values, dtype=float), index, axis=-1)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    return np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1), np.nan)
