"""Intervals for quantiles and means of times that were taken in rounds.

Times of one round resemble each other (the machine is busy or cool for a while), so n calls tell less than
n independent ones. Both functions let the rounds, not the calls, carry the uncertainty.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, ndtri, stdtrit

__all__ = ["CALLS_FOR_P99", "MeanInterval", "QuantileInterval", "mean_interval", "quantile_interval"]

CALLS_FOR_P99 = 459
"""Smallest n with 1 - 0.99^n >= 0.99: the largest of n times is a 99 % upper bound of the 99th percentile."""

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


class QuantileInterval(NamedTuple):
    """A sample quantile with two order statistics around it; null = the sample has none on that side."""

    value: float
    low: float | None
    high: float | None
    effective: int
    """How many independent calls the sample is worth."""


class MeanInterval(NamedTuple):
    value: float
    low: float | None
    high: float | None


def quantile_interval(
    values: Floats, share: float, level: float = 0.95, rounds: Codes | None = None
) -> QuantileInterval:
    """The quantile x_(ceil(share n)) and a distribution-free interval for the true one.

    [x_(l), x_(u)] with the largest l and the smallest u for which P(B < l) and P(B >= u) are at most
    (1 - level) / 2, B ~ Binomial(n, share). With `rounds` n is replaced by n / design effect of the share of
    values below the quantile, times (z / t)^2 with rounds - 1 degrees of freedom, and the ranks are
    scaled back.

    Args:
        values: shape (calls,), at least one.
        share: in (0, 1); 0.99 for the 99th percentile.
        rounds: the round of each call, shape (calls,).

    Source: David & Nagaraja 2003, section 7.1; Woodruff 1952 and Korn & Graubard 1998 for clustered samples.
    """
    ordered = np.sort(values)
    n = ordered.size
    value = float(ordered[max(math.ceil(share * n - 1e-9), 1) - 1])
    worth = n if rounds is None else _effective(values <= value, rounds, level)
    tail = (1 - level) / 2
    below = bdtr(np.arange(worth + 1), worth, share)  # P(B <= k)
    # the largest l with P(B <= l - 1) <= tail, the smallest u with P(B <= u - 1) >= 1 - tail
    low_rank = int(np.searchsorted(below, tail, side="right"))
    high_rank = int(np.searchsorted(below, 1 - tail, side="left")) + 1
    low = math.floor(low_rank * n / worth)
    high = math.ceil(high_rank * n / worth)
    return QuantileInterval(
        value,
        float(ordered[low - 1]) if low >= 1 else None,
        float(ordered[high - 1]) if high_rank <= worth and high <= n else None,
        worth,
    )


def mean_interval(values: Floats, rounds: Codes, level: float = 0.95) -> MeanInterval:
    """Mean of all values with Student's interval over the rounds (ratio estimate, rounds - 1 degrees).

    Source: Cochran 1977, section 2.11 (ratio of round totals to round sizes).
    """
    value = float(values.mean())
    names, place = np.unique(rounds, return_inverse=True)
    if names.size < 2:
        return MeanInterval(value, None, None)
    sizes = np.bincount(place)
    off = np.bincount(place, values) - sizes * value
    error = math.sqrt(names.size / (names.size - 1) * float((off**2).sum())) / values.size
    reach = float(stdtrit(names.size - 1, (1 + level) / 2)) * error
    return MeanInterval(value, value - reach, value + reach)


def _effective(below: npt.NDArray[np.bool_], rounds: Codes, level: float) -> int:
    """How many independent values a clustered sample is worth for the share of `below`."""
    n = below.size
    names, place = np.unique(rounds, return_inverse=True)
    share = float(below.mean())
    if names.size < 2 or share in (0.0, 1.0):
        return n
    off = np.bincount(place, below - share)
    variance = names.size / (names.size - 1) * float((off**2).sum()) / n**2
    effect = max(variance / (share * (1 - share) / n), 1.0)
    shrink = float(ndtri((1 + level) / 2) / stdtrit(names.size - 1, (1 + level) / 2)) ** 2
    return max(1, min(n, math.floor(n / effect * shrink)))
