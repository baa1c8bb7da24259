"""Measures of robustness as contracts: rates of rows and paired differences, each with its interval."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay.contracts import At, Grade, Measure, MeasureSpec
from assay.stats.intervals import clopper_pearson_interval
from assay.stats.paired_rates import tango_difference

__all__ = ["absent", "paired_measure", "rate_measure"]

Floats = npt.NDArray[np.float64]


def rate_measure(
    spec: MeasureSpec, rows: npt.ArrayLike, level: float, grade: Grade, at: At | None = None
) -> Measure:
    """A share of rows. `rows` are 0, 1 or, for rows that were drawn several times, the share of the draws.

    Exact Clopper-Pearson interval; shares of draws count as parts of a success, which takes each row to vary
    as much as a single draw of it does.
    """
    shares = np.asarray(rows, dtype=float)
    n, x = len(shares), float(shares.sum())
    if n == 0:
        return absent(spec, "insufficient", "no such rows", grade, at)
    low, high = clopper_pearson_interval(x, float(n), level)
    whole = bool(np.isin(shares, (0.0, 1.0)).all())
    return Measure(
        id=spec.id,
        at=at or {},
        value=x / n,
        low=low,
        high=high,
        level=level,
        interval_method="clopper-pearson" if whole else "clopper-pearson, rows' mean shares",
        n=n,
        numerator=round(x) if whole else None,
        denominator=n if whole else None,
        unit=spec.unit,
        direction=spec.direction,
        status="measured",
        grade=grade,
    )


def paired_measure(
    spec: MeasureSpec,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    level: float,
    grade: Grade,
    at: At | None = None,
) -> Measure:
    """Mean of first - second, two shares of the same rows, with Tango's paired score interval."""
    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    n = len(difference)
    if n == 0:
        return absent(spec, "insufficient", "no such rows", grade, at)
    gained, lost = float(difference.clip(min=0).sum()), float((-difference).clip(min=0).sum())
    low, high = tango_difference(gained, lost, float(n), level)
    value = round((gained - lost) / n, 12)
    return Measure(
        id=spec.id,
        at=at or {},
        value=value,
        low=min(low, value),
        high=max(high, value),
        level=level,
        interval_method="tango paired score",
        n=n,
        unit=spec.unit,
        direction=spec.direction,
        status="measured",
        grade=grade,
    )


def absent(spec: MeasureSpec, status: str, note: str, grade: Grade, at: At | None = None) -> Measure:
    """A measure without a value, and why."""
    return Measure.model_validate(
        {
            "id": spec.id,
            "at": at or {},
            "value": None,
            "n": 0,
            "unit": spec.unit,
            "direction": spec.direction,
            "status": status,
            "grade": grade,
            "note": note,
        }
    )
