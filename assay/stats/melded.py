"""Intervals for the difference and the ratio of two rates that keep their level for any number of rows.

A family of many pairs asks for intervals at levels such as 99.92 %, and groups may have a handful of
rows. There score intervals, and squaring and adding the limits of two exact ones, miss far more often
than they say (docs/methods/statistics.md has the figures). Melding combines the whole confidence
distributions of both rates, not just their limits: no case is known in which it covers less than its
level, and at no difference its one-sided p-value is that of Fisher's exact test.

With A ~ Beta(x1, n1 - x1 + 1) the lower confidence distribution of p1 and B ~ Beta(x2 + 1, n2 - x2)
the upper one of p2, the lower limit of p1 - p2 is the (1 - level)/2 quantile of A - B, that of p1/p2
the same quantile of A/B. Upper limits follow by exchanging the groups.

Source: Fay, Proschan & Brittain 2015, "Combining one-sample confidence procedures for inference in
the two-sample case", Biometrics 71.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import special

from assay.stats.intervals import Interval, checked_counts, checked_level, interval_of

__all__ = ["melded_difference", "melded_ratio"]

Array: TypeAlias = npt.NDArray[Any]
T = TypeVar("T", float, Array)

# Gauss-Legendre nodes over the part of the narrower distribution that matters, and how far that reaches
# beyond the level's normal quantile
_NODES, _WEIGHTS = (np.asarray(a) for a in special.roots_legendre(48))
_BEYOND = 4.0
# secants converge quadratically: a step below this share of the interval's width is the last one needed
_LAST_STEP = 1e-4
_ROUNDS = 60
# tables x nodes integrated at once: 8 MB an array
_BLOCK = 1_000_000 // len(_NODES)


def melded_difference(x1: T, n1: T, x2: T, n2: T, level: float = 0.95) -> Interval[T]:
    """Interval for p1 - p2 that keeps its level for any counts; no trials in a group give [-1, 1].

    Args:
        x1, n1, x2, n2: successes and trials of both groups; they broadcast.
        level: confidence level in (0, 1).

    Raises:
        BadInput: successes outside [0, trials], or a level outside (0, 1).

    Source: Fay, Proschan & Brittain 2015.
    """
    return _melded(x1, n1, x2, n2, level, _DIFFERENCE)


def melded_ratio(x1: T, n1: T, x2: T, n2: T, level: float = 0.95) -> Interval[T]:
    """Interval for p1 / p2 that keeps its level for any counts.

    No successes in group 1 give low = 0, none in group 2 high = inf, no trials in a group (0, inf).
    Arguments and errors as for `melded_difference`.

    Source: Fay, Proschan & Brittain 2015.
    """
    return _melded(x1, n1, x2, n2, level, _RATIO)


@dataclass(frozen=True)
class _Comparison:
    """How two rates are compared, on a scale where the limits are searched for (log r for a ratio)."""

    of: Callable[[Array, Array], Array]
    """Comparison of rate a to rate b."""
    first_at: Callable[[Array, Array], Array]
    """The a that compares to b as given: solves of(a, b) = c for a."""
    second_at: Callable[[Array, Array], Array]
    """The b to which a compares as given."""
    spread: Callable[[Array, Array], Array]
    """Size of a beta variable's variation on this scale, up to a common factor."""
    vacuous: float
    """Lower limit when nothing is known."""
    back: Callable[[Array], Array]


def _sd(a: Array, b: Array) -> Array:
    return np.asarray(np.sqrt(a * b / (a + b + 1)) / (a + b))


def _log_ratio(a: Array, b: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(a) - np.log(b))


_DIFFERENCE = _Comparison(
    of=lambda a, b: a - b,
    first_at=lambda c, b: c + b,
    second_at=lambda c, a: a - c,
    spread=_sd,
    vacuous=-1.0,
    back=lambda c: c,
)
_RATIO = _Comparison(
    of=_log_ratio,
    first_at=lambda c, b: np.exp(c) * b,
    second_at=lambda c, a: a * np.exp(-c),
    spread=lambda a, b: _sd(a, b) * (a + b) / a,
    vacuous=-np.inf,
    back=np.exp,
)


def _melded(x1: Any, n1: Any, x2: Any, n2: Any, level: float, comparison: _Comparison) -> Interval[Any]:
    a, m = checked_counts(x1, n1)
    b, n = checked_counts(x2, n2)
    tail = float((1 - checked_level(level)) / 2)
    shape = np.broadcast_shapes(a.shape, m.shape, b.shape, n.shape)
    tables = np.stack([np.broadcast_to(v, shape).ravel() for v in (a, m, b, n)])
    # repeated tables (simulations, groups of a few rows) are worked out once
    tables, where = np.unique(tables, axis=1, return_inverse=True)
    a, m, b, n = tables
    low = _lower(a, m, b, n, tail, comparison)
    high = _lower(b, n, a, m, tail, comparison)
    low, high = comparison.back(low), comparison.back(-high)
    return interval_of(low[where].reshape(shape), high[where].reshape(shape))


def _lower(x1: Array, n1: Array, x2: Array, n2: Array, tail: float, comparison: _Comparison) -> Array:
    """Lower limits on the comparison's scale, shape (tables,)."""
    # where a confidence distribution is a point, at 0 or at 1, the limit is that of the other alone
    none, all_ = x1 == 0, x2 == n2
    low = comparison.of(
        np.where(none, 0.0, _quantile(np.where(none, 1, x1), n1 - x1 + 1, tail)),
        np.where(all_, 1.0, _upper_quantile(x2 + 1, np.where(all_, 1, n2 - x2), tail)),
    )
    first, second = (x1, n1 - x1 + 1), (x2 + 1, n2 - x2)
    tables = np.flatnonzero(~none & ~all_)
    for start in range(0, len(tables), _BLOCK):
        k = tables[start : start + _BLOCK]
        low[k] = _search((first[0][k], first[1][k]), (second[0][k], second[1][k]), tail, comparison)
    return np.where((n1 == 0) | (n2 == 0), comparison.vacuous, low)


def _search(
    first: tuple[Array, Array],
    second: tuple[Array, Array],
    tail: float,
    comparison: _Comparison,
) -> Array:
    """`tail` quantile of the comparison of two beta variables, by guarded secants on the normal scale."""
    mass = _mass_below(first, second, tail, comparison)
    wanted = float(special.ndtri(tail))
    # quantiles of tail/2 on both sides bound the limit from below; both medians leave at least 1/4 below
    a, b = _quantile(*first, 0.5), _upper_quantile(*second, 0.5)
    right = comparison.of(a, b)
    left = comparison.of(_quantile(*first, tail / 2), _upper_quantile(*second, tail / 2))
    # squaring and adding puts the limit close by, and from there the normal score is nearly straight
    distance = np.hypot(
        right - comparison.of(_quantile(*first, tail), b),
        right - comparison.of(a, _upper_quantile(*second, tail)),
    )
    point, slope = right - distance, -wanted / distance
    last, last_excess = right, np.zeros_like(right)
    limit: Array = np.empty_like(point)
    open_ = np.arange(len(point))
    for count in range(_ROUNDS):
        point = np.where((point > left) & (point < right), point, (left + right) / 2)
        excess = special.ndtri(mass(point, open_)) - wanted
        left, right = np.where(excess < 0, point, left), np.where(excess > 0, point, right)
        if count:
            moved = point != last
            secant = (excess - last_excess) / np.where(moved, point - last, 1)
            # the score rises with the point; what rounding makes of a tiny step is no slope
            slope = np.where(moved & (secant > 0), secant, slope)
        last, last_excess = point, excess
        point = point - excess / slope
        limit[open_] = point
        moving = np.abs(point - last) >= _LAST_STEP * distance[open_]
        if not moving.any():
            break
        open_ = open_[moving]
        point, slope, left, right, last, last_excess = (
            v[moving] for v in (point, slope, left, right, last, last_excess)
        )
    return limit


def _mass_below(
    first: tuple[Array, Array], second: tuple[Array, Array], tail: float, comparison: _Comparison
) -> Callable[[Array, Array], Array]:
    """(c, k) -> P(comparison of the two <= c), c for the tables k.

    The density of the narrower variable is integrated against the distribution function of the wider
    one, which is smooth on its scale, between the places where that function reaches 0 and 1.
    """
    over_second = comparison.spread(*second) <= comparison.spread(*first)
    narrow = np.stack([np.where(over_second, s, f) for f, s in zip(first, second, strict=True)])
    # groups stand in many pairs: what depends on one alone is worked out once
    (a, b), of_table = np.unique(narrow, axis=1, return_inverse=True)
    far = special.ndtr(special.ndtri(tail) - _BEYOND)
    least, most = special.betaincinv(a, b, far)[of_table], special.betainccinv(a, b, far)[of_table]
    log_scale = special.betaln(a, b)[of_table]
    # P(second >= y) is P(1 - second <= 1 - y), a beta with its shapes exchanged
    wide_a, wide_b = np.where(over_second, first[0], second[1]), np.where(over_second, first[1], second[0])

    def mass(c: Array, k: Array) -> Array:
        over, (a, b) = over_second[k], narrow[:, k]
        # below `zero` and above `one` the wider variable's probability is 0 or 1
        zero = np.where(over, comparison.second_at(c, np.zeros(1)), comparison.first_at(c, np.zeros(1)))
        one = np.where(over, comparison.second_at(c, np.ones(1)), comparison.first_at(c, np.ones(1)))
        start = np.clip(zero, least[k], most[k])
        half = (np.clip(one, least[k], most[k]) - start) / 2
        at = start[:, None] + half[:, None] * (_NODES + 1)
        density = np.exp(
            special.xlogy((a - 1)[:, None], at) + special.xlog1py((b - 1)[:, None], -at) - log_scale[k, None]
        )
        other = np.where(
            over[:, None], comparison.first_at(c[:, None], at), 1 - comparison.second_at(c[:, None], at)
        )
        below = special.betainc(wide_a[k, None], wide_b[k, None], np.clip(other, 0.0, 1.0))
        certain = np.where(
            over,
            special.betaincc(a, b, np.clip(one, 0.0, 1.0)),
            special.betainc(a, b, np.clip(zero, 0.0, 1.0)),
        )
        return np.asarray((below * density) @ _WEIGHTS * half + certain)

    return mass


def _quantile(a: Array, b: Array, p: float) -> Array:
    return np.asarray(special.betaincinv(a, b, p))


def _upper_quantile(a: Array, b: Array, p: float) -> Array:
    return np.asarray(special.betainccinv(a, b, p))
