"""How many more rows would decide what the rows at hand cannot, if the rates stay as they are.

Decided means: the interval lies wholly inside the limits or wholly outside. Adding rows to a group at
its observed rate shrinks the interval around the same estimate; the smallest number that decides is
searched for. An estimate on a limit is never decided, and one group alone may not be enough when the
other side keeps its uncertainty: then the answer is None.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from assay.stats.intervals import Interval, clopper_pearson_interval
from assay.stats.melded import melded_difference, melded_ratio
from assay.stats.multiplicity import bonferroni_level

__all__ = [
    "rows_to_settle_difference",
    "rows_to_settle_general",
    "rows_to_settle_rate",
    "rows_to_settle_ratio",
]

Array: TypeAlias = npt.NDArray[Any]

# more rows than this is no answer that a team can act on
_MOST_ROWS = 10**9
# points a round of the search: every round narrows the bracket 8 times
_GRID = 9


def rows_to_settle_difference(
    x1: float,
    n1: float,
    x2: float,
    n2: float,
    low_limit: float,
    high_limit: float,
    level: float = 0.95,
    family: int = 1,
    grow: Literal[1, 2] = 1,
) -> int | None:
    """More rows of group `grow` that would decide whether p1 - p2 lies in [low_limit, high_limit].

    Uses the interval of `pairwise_differences`: `melded_difference` at 1 - (1 - level)/family.

    Returns:
        0 when it is decided already; None when 10^9 more rows of that group alone would not decide.

    Raises:
        BadInput: successes outside [0, trials], a level outside (0, 1), a family below 1.
    """
    return _pair(melded_difference, (x1, n1, x2, n2), low_limit, high_limit, level, family, grow)


def rows_to_settle_ratio(
    x1: float,
    n1: float,
    x2: float,
    n2: float,
    low_limit: float,
    high_limit: float,
    level: float = 0.95,
    family: int = 1,
    grow: Literal[1, 2] = 1,
) -> int | None:
    """More rows of group `grow` that would decide whether p1 / p2 lies in [low_limit, high_limit].

    Uses the interval of `pairwise_ratios`; returns and errors as `rows_to_settle_difference`.
    """
    return _pair(melded_ratio, (x1, n1, x2, n2), low_limit, high_limit, level, family, grow)


def rows_to_settle_rate(
    x: float, n: float, minimum: float | None, maximum: float | None, level: float = 0.95
) -> int | None:
    """More rows that would decide whether a rate lies in [minimum, maximum].

    Uses the Clopper-Pearson interval, by which rates are judged. None as a bound leaves that side
    open. Returns and errors as `rows_to_settle_difference`.
    """
    low_limit, high_limit = _bounds(minimum, maximum)

    def interval(extra: Array) -> Interval[Any]:
        rows = n + extra
        return clopper_pearson_interval(_scaled(x, n, rows), rows, level)

    return _smallest(interval, low_limit, high_limit) if n > 0 else None


def rows_to_settle_general(
    value: float, low: float, high: float, n: int, minimum: float | None, maximum: float | None
) -> int | None:
    """More rows that would decide, for any estimate whose interval shrinks as 1/sqrt(n).

    With half-width w on the side of a limit at distance d, (w/d)^2 n rows are needed in all.

    Args:
        value, low, high: the estimate and its interval from n rows.
        minimum, maximum: limits; None leaves that side open.

    Returns:
        0 when it is decided already; None for an unbounded interval, a value on a limit, or more
        than 10^9 rows.
    """
    low_limit, high_limit = _bounds(minimum, maximum)
    if bool(_decided(low, high, low_limit, high_limit)):
        return 0
    if not (math.isfinite(low) and math.isfinite(high) and n > 0):
        return None
    if value < low_limit:
        sides = [(high - value, low_limit - value)]
    elif value > high_limit:
        sides = [(value - low, value - high_limit)]
    else:
        sides = [(value - low, value - low_limit), (high - value, high_limit - value)]
    if any(distance <= 0 for _, distance in sides):
        return None
    widths = max(width / distance for width, distance in sides)
    if widths > _MOST_ROWS:
        return None
    rows = n * widths**2
    # a whole interval strictly outside needs to clear the limit, not to touch it
    extra = math.floor(rows - n) + 1
    return extra if extra <= _MOST_ROWS else None


def _pair(
    limits: Callable[..., Interval[Any]],
    table: tuple[float, float, float, float],
    low_limit: float,
    high_limit: float,
    level: float,
    family: int,
    grow: Literal[1, 2],
) -> int | None:
    x1, n1, x2, n2 = table
    each = bonferroni_level(level, family)
    if n1 == 0 or n2 == 0:
        return None

    def interval(extra: Array) -> Interval[Any]:
        still = np.zeros_like(extra)
        m, n = (n1 + extra, n2 + still) if grow == 1 else (n1 + still, n2 + extra)
        return limits(_scaled(x1, n1, m), m, _scaled(x2, n2, n), n, each)

    return _smallest(interval, low_limit, high_limit)


def _smallest(interval: Callable[[Array], Interval[Any]], low_limit: float, high_limit: float) -> int | None:
    """Least number of extra rows whose interval is decided, by quadrupling and then narrowing the bracket."""

    def decided(extra: Array) -> npt.NDArray[np.bool_]:
        low, high = interval(extra)
        return _decided(low, high, low_limit, high_limit)

    steps = np.concatenate([[0.0], 4.0 ** np.arange(15), [float(_MOST_ROWS)]])
    hits = np.flatnonzero(decided(steps))
    if not len(hits):
        return None
    if hits[0] == 0:
        return 0
    below, above = int(steps[hits[0] - 1]), int(steps[hits[0]])
    while above - below > 1:
        grid = np.unique(np.linspace(below, above, min(_GRID, above - below + 1)).round())[1:]
        hit = int(np.flatnonzero(decided(grid))[0])
        below, above = (int(grid[hit - 1]) if hit else below), int(grid[hit])
    return above


def _decided(low: Any, high: Any, low_limit: float, high_limit: float) -> npt.NDArray[np.bool_]:
    inside = (low >= low_limit) & (high <= high_limit)
    outside = (high < low_limit) | (low > high_limit)
    return np.asarray(inside | outside)


def _scaled(x: float, n: float, rows: Array) -> Array:
    # x/n * rows can exceed rows by a rounding error when x = n
    return np.minimum(x / n * rows, rows)


def _bounds(minimum: float | None, maximum: float | None) -> tuple[float, float]:
    return (-math.inf if minimum is None else minimum), (math.inf if maximum is None else maximum)
