"""Rates of groups when the group of some rows is not known: sharp bounds, whatever the reason.

Let a group have `hits` of the unknown rows that would count above its rate's line and `misses` that would
count below it alone, and let each unknown row belong to it or not. Over every way of placing them the rate
x / n is least when all misses and no hits join, and greatest when all hits and no misses do:

    x / (n + misses) <= rate <= (x + hits) / (n + hits).

A row that raises one group's rate never raises the other's by staying away, and hits and misses are
different rows: so the ends of two groups are reached together, and a difference or a ratio of two rates has
the difference or ratio of their ends as sharp bounds. Nothing is assumed of why a group is not known.

Sampling error joins in the same way. The limits of the intervals used here (Wilson, Clopper-Pearson, melded)
rise with every hit and fall with every miss, so the lowest limit that any placing gives is that of the
placing above. The interval from it to the highest one holds the interval that would have been printed had
every group been known, and so covers at least as often.

Sources: Manski 1989, 2003 (worst-case bounds); Horowitz & Manski 2000 (bounds with missing covariates);
Kallus, Mao & Zhou 2022 (disparity when the protected class is not observed).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Ends", "Unplaced", "difference_ends", "rate_ends", "ratio_ends"]

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Unplaced(NamedTuple):
    """Unknown rows that may belong to a group: those above the line, and those below it alone. One shape."""

    hits: Counts
    misses: Counts

    @property
    def any(self) -> bool:
        return bool((self.hits.any() or self.misses.any()) if self.hits.size else False)


class Ends(NamedTuple):
    """Least and greatest value over every way of placing the unknown rows; NaN where there is none."""

    low: Floats
    high: Floats


def rate_ends(above: npt.ArrayLike, below: npt.ArrayLike, unplaced: Unplaced) -> Ends:
    """Sharp bounds of rates above / below; NaN where no row counts however the unknown ones lie.

    A group without known rows has every rate that its unknown rows allow: 0 with a miss, 1 with a hit.
    """
    x, n = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    hits, misses = unplaced.hits.astype(np.float64), unplaced.misses.astype(np.float64)
    low = _quotient(x, n + misses)
    high = _quotient(x + hits, n + hits)
    # Only hits, or only misses, and no known row: the one rate that can be.
    return Ends(np.where(np.isnan(low), high, low), np.where(np.isnan(high), low, high))


def difference_ends(first: Ends, second: Ends) -> Ends:
    """Sharp bounds of first - second, for the rates of two different groups."""
    return Ends(first.low - second.high, first.high - second.low)


def ratio_ends(first: Ends, second: Ends) -> Ends:
    """Sharp bounds of first / second; inf where the second rate may be 0, NaN where it must be."""
    return Ends(_quotient(first.low, second.high), _quotient(first.high, second.low, np.inf))


def _quotient(above: Floats, below: Floats, empty: float = np.nan) -> Floats:
    found: Any = np.full(np.broadcast_shapes(above.shape, below.shape), empty)
    np.divide(above, below, out=found, where=np.asarray(below > 0))
    return np.asarray(found, dtype=np.float64)
