"""Means over the explained rows as measures, with intervals that say how far so few rows carry."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from assay.contracts import At, Grade, Measure, MeasureSpec

__all__ = ["FEWEST_ROWS", "RowMean", "mean_of_rows", "row_measure"]

Floats = npt.NDArray[np.float64]

FEWEST_ROWS = 10
"""With fewer explained rows a mean is `insufficient`."""


class RowMean(NamedTuple):
    value: float
    low: float
    high: float
    interval_method: str
    n: int


def mean_of_rows(
    values: Floats, level: float, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> RowMean:
    """Mean of one value a row with Student's interval, kept inside `bounds`; NaN rows are left out.

    Rows that all agree have no spread, but unseen rows need not agree: where a bound is finite, at most a
    share 1 - (a / 2)^(1 / n) of all rows can lie there without one of n having shown it (a = 1 - level),
    and the interval reaches as far as that share would pull the mean.

    Raises:
        ValueError: no row is left.
    """
    kept = values[~np.isnan(values)]
    n = kept.size
    if n == 0:
        raise ValueError("a mean needs at least one row")
    value = float(kept.mean())
    if n == 1 or np.ptp(kept) <= 1e-12 * max(1.0, abs(value)):
        share = 1 - ((1 - level) / 2) ** (1 / n)
        low, high = (value + share * (b - value) if math.isfinite(b) else value for b in bounds)
        return RowMean(value, min(low, value), max(high, value), "exact binomial bound, rows agree", n)
    half = float(stdtrit(n - 1, (1 + level) / 2)) * float(kept.std(ddof=1)) / math.sqrt(n)
    low, high = max(value - half, bounds[0]), min(value + half, bounds[1])
    return RowMean(value, low, high, "student t over explained rows", n)


def row_measure(
    spec: MeasureSpec,
    values: Floats,
    level: float,
    grade: Grade,
    *,
    at: At | None = None,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    note: str | None = None,
    undefined: str = "no explained row has this value",
) -> Measure:
    """The mean of one value an explained row (NaN: not defined there) as a measure.

    Args:
        note: printed with the value.
        undefined: why rows are NaN; part of the note where it leaves too few rows.
    """
    defined = int((~np.isnan(values)).sum())
    if defined < FEWEST_ROWS:
        reason = f"{defined} of {values.size} explained rows count, {FEWEST_ROWS} are needed"
        return Measure(
            id=spec.id,
            at=at or {},
            value=None,
            n=defined,
            unit=spec.unit,
            direction=spec.direction,
            status="insufficient",
            grade=grade,
            note=f"{reason} ({undefined})" if defined < values.size else reason,
        )
    found = mean_of_rows(values, level, bounds)
    return Measure(
        id=spec.id,
        at=at or {},
        value=found.value,
        low=found.low,
        high=found.high,
        level=level,
        interval_method=found.interval_method,
        n=found.n,
        unit=spec.unit,
        direction=spec.direction,
        status="measured",
        grade=grade,
        note=note,
    )
