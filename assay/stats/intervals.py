"""Confidence intervals for one rate, for the difference and for the ratio of two.

All functions broadcast over numpy arrays and give plain floats when every argument is a scalar.
Counts may be fractional (planning asks what an interval would be at the same rate with more rows).
"""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import special

from assay.errors import BadInput

__all__ = [
    "Interval",
    "checked_counts",
    "checked_level",
    "clopper_pearson_interval",
    "interval_of",
    "koopman_ratio",
    "mover_difference",
    "newcombe_difference",
    "normal_interval",
    "normal_quantile",
    "wilson_interval",
]

Array: TypeAlias = npt.NDArray[Any]
T = TypeVar("T", float, Array)

# log of the largest ratio that the search for Koopman's limits considers; e^60 = 1e26
_LOG_RATIO_SPAN = 60.0
# halvings of a span of at most 120 until it is below the spacing of floats near 1
_HALVINGS = 60


class Interval(NamedTuple, Generic[T]):
    """Lower and upper limit: floats, or arrays of one shape."""

    low: T
    high: T


def wilson_interval(successes: T, trials: T, level: float | Array = 0.95) -> Interval[T]:
    """Score interval for a binomial proportion: all p with |x/n - p| <= z sqrt(p (1 - p) / n).

    Stays inside [0, 1]; exactly 0 at no successes and exactly 1 at no failures.

    Args:
        successes: x, 0 <= x <= n.
        trials: n; 0 gives the vacuous interval [0, 1].
        level: confidence level in (0, 1).

    Raises:
        BadInput: successes outside [0, trials], or a level outside (0, 1).

    Source: Wilson 1927; Newcombe 1998 (single proportion), method 3.
    """
    x, n = checked_counts(successes, trials)
    low, high = _wilson(x, n, normal_quantile(level))
    return interval_of(low, high)


def clopper_pearson_interval(successes: T, trials: T, level: float | Array = 0.95) -> Interval[T]:
    """Exact interval for a binomial proportion, from quantiles of the beta distribution.

    low = Beta(a/2; x, n - x + 1), high = Beta(1 - a/2; x + 1, n - x) with a = 1 - level. Covers at
    least `level` whatever n and p are, at the price of being wide. Arguments as for `wilson_interval`.

    Source: Clopper & Pearson 1934; Brown, Cai & DasGupta 2001, section 4.2.1.
    """
    x, n = checked_counts(successes, trials)
    tail = (1 - checked_level(level)) / 2
    # betaincinv needs positive shapes; the places where they are 0 have limits of 0 or 1
    with np.errstate(invalid="ignore"):
        low = np.where(x > 0, special.betaincinv(np.where(x > 0, x, 1), n - x + 1, tail), 0.0)
        high = np.where(x < n, special.betainccinv(x + 1, np.where(x < n, n - x, 1), tail), 1.0)
    return interval_of(low, high)


def newcombe_difference(x1: T, n1: T, x2: T, n2: T, level: float | Array = 0.95) -> Interval[T]:
    """Hybrid score interval for p1 - p2: Wilson limits of both rates, squared and added.

    With d = x1/n1 - x2/n2 and Wilson limits l, u:
    low = d - sqrt((p1 - l1)^2 + (u2 - p2)^2), high = d + sqrt((u1 - p1)^2 + (p2 - l2)^2).

    Args:
        x1, n1, x2, n2: successes and trials of both groups; no trials in a group gives [-1, 1].
        level: confidence level in (0, 1).

    Raises:
        BadInput: successes outside [0, trials], or a level outside (0, 1).

    Source: Newcombe 1998 (difference between independent proportions), method 10.
    """
    a, m = checked_counts(x1, n1)
    b, n = checked_counts(x2, n2)
    z = normal_quantile(level)
    p1, p2 = _rate(a, m), _rate(b, n)
    low, high = mover_difference(p1, *_wilson(a, m, z), p2, *_wilson(b, n, z))
    empty = (m == 0) | (n == 0)
    return interval_of(np.where(empty, -1.0, low), np.where(empty, 1.0, high))


def koopman_ratio(x1: T, n1: T, x2: T, n2: T, level: float | Array = 0.95) -> Interval[T]:
    """Score interval for the ratio p1/p2: all r that a chi-square test of p1 = r p2 does not reject.

    The statistic is sum_i (x_i - n_i q_i)^2 / (n_i q_i (1 - q_i)), with q1 = r q2 the maximum
    likelihood rates under that hypothesis; it falls and then rises in r, so each limit is found by
    bisection on log r. No successes in group 1 give low = 0, none in group 2 high = inf.

    Args:
        x1, n1, x2, n2: successes and trials of both groups; no trials in a group gives (0, inf).
        level: confidence level in (0, 1).

    Raises:
        BadInput: successes outside [0, trials], or a level outside (0, 1).

    Source: Koopman 1984; Nam 1995; Gart & Nam 1988.
    """
    a, m = checked_counts(x1, n1)
    b, n = checked_counts(x2, n2)
    critical = normal_quantile(level) ** 2
    a, m, b, n, critical = np.broadcast_arrays(a, m, b, n, critical)
    empty = (m == 0) | (n == 0)
    m, n = np.where(empty, 1, m), np.where(empty, 1, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.clip(np.log(a / m) - np.log(b / n), -_LOG_RATIO_SPAN, _LOG_RATIO_SPAN)
    centre = np.where((a == 0) & (b == 0), 0.0, centre)
    no_low, no_high = empty | (a == 0), empty | (b == 0)

    def limit(outer: float) -> Array:
        inside, outside = centre, np.full(centre.shape, outer)
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            accepted = _koopman_statistic(a, m, b, n, np.exp(middle)) <= critical
            inside, outside = np.where(accepted, middle, inside), np.where(accepted, outside, middle)
        return np.exp(inside)

    low = np.where(no_low, 0.0, limit(-_LOG_RATIO_SPAN))
    high = np.where(no_high, np.inf, limit(_LOG_RATIO_SPAN))
    return interval_of(low, high)


def mover_difference(value1: T, low1: T, high1: T, value2: T, low2: T, high2: T) -> Interval[T]:
    """Interval for value1 - value2 of independent estimates from the limits of each (square and add).

    low = d - sqrt((value1 - low1)^2 + (high2 - value2)^2), high likewise with the other limits.

    Source: Zou & Donner 2008; Newcombe 1998 is the case of two proportions.
    """
    v1, l1, u1, v2, l2, u2 = (np.asarray(a, dtype=float) for a in (value1, low1, high1, value2, low2, high2))
    d = v1 - v2
    return interval_of(d - np.hypot(v1 - l1, u2 - v2), d + np.hypot(u1 - v1, v2 - l2))


def normal_interval(value: T, standard_error: T, level: float | Array = 0.95) -> Interval[T]:
    """value +- z standard_error, for estimates that are close to normal (AUC, mean error)."""
    centre = np.asarray(value, dtype=float)
    half = normal_quantile(level) * np.asarray(standard_error, dtype=float)
    return interval_of(centre - half, centre + half)


def normal_quantile(level: float | Array) -> Array:
    """z with P(|Z| <= z) = level for a standard normal Z; BadInput for a level outside (0, 1)."""
    # from the small tail: 1 - 0.05/m loses digits when the family m is large, its complement does not
    return np.asarray(-special.ndtri((1 - checked_level(level)) / 2))


def _wilson(x: Array, n: Array, z: Array) -> tuple[Array, Array]:
    """Wilson limits, (0, 1) where n is 0."""
    n_safe = np.where(n == 0, 1, n)
    p = np.where(n == 0, 0.5, x / n_safe)
    spread = z**2 / n_safe
    root = z * np.sqrt(p * (1 - p) / n_safe + spread / (4 * n_safe))
    high = np.minimum((p + spread / 2 + root) / (1 + spread), 1.0)
    # the product of the limits is p^2 / (1 + z^2/n): exact 0 at x = 0, where a difference would cancel
    low = np.minimum(p * (p / ((1 + spread) * high)), p)
    high = np.where(x == n, 1.0, np.maximum(high, p))
    return np.where(n == 0, 0.0, low), np.where(n == 0, 1.0, high)


def _koopman_statistic(x1: Array, n1: Array, x2: Array, n2: Array, ratio: Array) -> Array:
    """Chi-square statistic of p1 = ratio * p2, at the constrained maximum likelihood rates."""
    b = ratio * (n1 + x2) + x1 + n2
    # the smaller root of a quadratic, in the form that does not cancel; q1 = ratio * q2
    root = np.sqrt(np.maximum(b**2 - 4 * ratio * (n1 + n2) * (x1 + x2), 0.0))
    q2 = 2 * (x1 + x2) / (b + root)
    return _squared_residual(x1, n1, ratio * q2) + _squared_residual(x2, n2, q2)


def _squared_residual(x: Array, n: Array, q: Array) -> Array:
    """(x - n q)^2 / (n q (1 - q)); 0 where q is 0 or 1, since the observed rate is then q as well."""
    variance = n * q * (1 - q)
    return np.where(variance > 0, (x - n * q) ** 2 / np.where(variance > 0, variance, 1), 0.0)


def _rate(x: Array, n: Array) -> Array:
    return x / np.where(n == 0, 1, n)


def checked_counts(successes: object, trials: object) -> tuple[Array, Array]:
    """Both as floats; BadInput unless 0 <= successes <= trials < inf."""
    x, n = np.asarray(successes, dtype=float), np.asarray(trials, dtype=float)
    if not (np.all(x >= 0) and np.all(x <= n) and np.all(np.isfinite(n))):
        raise BadInput(f"Successes must lie between 0 and trials; got {successes} of {trials}.")
    return x, n


def checked_level(level: float | Array) -> Array:
    """The level as floats; BadInput outside (0, 1)."""
    value = np.asarray(level, dtype=float)
    if not (np.all(value > 0) and np.all(value < 1)):
        raise BadInput(f"A confidence level lies between 0 and 1, both excluded; got {level}.")
    return value


def interval_of(low: Any, high: Any) -> Interval[Any]:
    """Plain floats for limits of no dimension, the arrays themselves otherwise."""
    if np.ndim(low) == 0:
        return Interval(float(low), float(high))
    return Interval(low, high)
