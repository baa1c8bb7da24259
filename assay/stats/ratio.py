"""A ratio of two sums over independent units: nats a byte over texts, seconds a token over calls."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

__all__ = ["Ratio", "ratio_of_sums"]

Floats = npt.NDArray[np.float64]


class Ratio(NamedTuple):
    """A ratio of sums with its interval; the ends are None where none can be estimated."""

    value: float
    low: float | None
    high: float | None


def ratio_of_sums(above: Floats, below: Floats, level: float) -> Ratio:
    """sum(above) / sum(below) over independent units, and its interval by the delta method.

    d = above - R below has mean 0; the variance of R is n / (n - 1) sum(d²) / sum(below)², Student's t with
    n - 1 degrees of freedom.

    Args:
        above, below: (units,); below sums to more than 0.

    Source: Cochran 1977, section 6.4.
    """
    units, total = len(below), float(below.sum())
    value = float(above.sum()) / total
    if units < 2:
        return Ratio(value, None, None)
    apart = above - value * below
    error = math.sqrt(units / (units - 1) * float(apart @ apart)) / total
    if error <= 1e-12 * abs(value):
        return Ratio(value, None, None)
    reach = float(stdtrit(units - 1, (1 + level) / 2)) * error
    return Ratio(value, value - reach, value + reach)
