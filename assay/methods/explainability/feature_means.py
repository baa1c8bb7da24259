"""Mean attributions of a table's features: one measure a feature, and the series behind their bars."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from assay.contracts import Grade, Measure, MeasureSpec, Series, SeriesColumn
from assay.methods.explainability.row_means import row_measure

__all__ = ["attribution_series", "feature_measures"]

_MOST = 30
"""Features of the series, the largest first."""


def feature_measures(
    spec: MeasureSpec,
    features: Sequence[str],
    absolute: npt.NDArray[np.float64],
    level: float,
    grade: Grade,
) -> list[Measure]:
    """The mean of |phi| of each feature over the explained rows, (rows, features)."""
    bounds = (0.0, math.inf)
    return [
        row_measure(spec, absolute[:, place], level, grade, at={"feature": name}, bounds=bounds)
        for place, name in enumerate(features)
    ]


def attribution_series(method: str, measures: Sequence[Measure], title: str) -> tuple[Series, ...]:
    """`<method>.attribution`: features with mean and interval, the largest first."""
    known = sorted((m for m in measures if m.value is not None), key=lambda m: -(m.value or 0.0))
    if not known:
        return ()
    found = known[:_MOST]
    unit = found[0].unit
    return (
        Series(
            id=f"{method}.attribution",
            title=title,
            method=method,
            columns=(
                SeriesColumn(
                    name="feature", unit="feature", values=tuple(str(m.at["feature"]) for m in found)
                ),
                SeriesColumn(name="mean_absolute", unit=unit, values=tuple(m.value for m in found)),
                SeriesColumn(name="low", unit=unit, values=tuple(m.low for m in found)),
                SeriesColumn(name="high", unit=unit, values=tuple(m.high for m in found)),
            ),
            note=None if len(known) <= _MOST else f"The {_MOST} strongest of {len(known):,} features.",
        ),
    )
