"""Regression measures from moments: values, delta-method intervals, and errors along the prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from assay.contracts import MeasureSpec, Series, SeriesColumn
from assay.stats.calibration import equal_mass_bins, weighted_counts
from assay.stats.moments import Moments

__all__ = ["SPECS", "clustered_covariance", "error_columns", "error_estimates", "residual_series"]

Floats = npt.NDArray[np.float64]

ERROR, ABSOLUTE, SQUARED, LABEL, LABEL_SQUARED = range(5)


def error_columns(label: Floats, prediction: Floats, centre: float) -> Floats:
    """(error, |error|, error^2, u, u^2) with error = prediction - label, u = label - centre; (rows, 5)."""
    error, shifted = prediction - label, label - centre
    return np.stack([error, np.abs(error), error**2, shifted, shifted**2], axis=1)


SPECS = (
    MeasureSpec(
        id="performance.mean_absolute_error",
        title="Mean absolute error",
        unit="label units",
        direction="lower",
        judging="single",
        description="Mean of |prediction - label|, in the label's unit.",
    ),
    MeasureSpec(
        id="performance.root_mean_squared_error",
        title="Root mean squared error",
        unit="label units",
        direction="lower",
        judging="single",
        description="Square root of the mean of (prediction - label)^2, in the label's unit.",
    ),
    MeasureSpec(
        id="performance.r_squared",
        title="R²",
        unit="score",
        direction="higher",
        judging="single",
        description="1 - sum (prediction - label)^2 / sum (label - mean label)^2; 0 is as good as the mean.",
    ),
    MeasureSpec(
        id="performance.mean_error",
        title="Mean error",
        unit="label units",
        direction="even",
        judging="single",
        description="Mean of prediction - label; above 0 the model overestimates.",
    ),
)


def clustered_covariance(moments: Moments, blocks: Floats) -> tuple[Floats, int]:
    """Covariance of the means when blocks of rows are the independent units, and blocks - 1."""
    used = blocks[blocks[:, 0] > 0]
    moved = used[:, 1:] - used[:, :1] * moments.mean
    many = len(used)
    if many < 2:
        return np.full((5, 5), np.nan), 0
    return moved.T @ moved * (many / (many - 1)) / moments.n**2, many - 1


def error_estimates(
    moments: Moments, covariance: Floats, quantile: float
) -> list[tuple[str, float | None, float | None, float | None]]:
    """(id, value, low, high). Errors on the log scale, R squared on that of log(1 - R squared)."""
    mean = moments.mean
    label_variance = moments.comoment[LABEL, LABEL] / moments.n
    squared = mean[SQUARED]

    def error(gradient: Sequence[float]) -> float:
        slope = np.asarray(gradient)
        return math.sqrt(max(float(slope @ covariance @ slope), 0.0))

    def positive(value: float, relative: float) -> tuple[float | None, float | None]:
        if value == 0 or not math.isfinite(relative) or not math.isfinite(quantile):
            return None, None
        return value * math.exp(-quantile * relative), value * math.exp(quantile * relative)

    absolute = mean[ABSOLUTE]
    made: list[tuple[str, float | None, float | None, float | None]] = []
    relative = error([0, 1, 0, 0, 0]) / absolute if absolute > 0 else math.nan
    made.append(("performance.mean_absolute_error", absolute, *positive(absolute, relative)))
    relative = error([0, 0, 1, 0, 0]) / (2 * squared) if squared > 0 else math.nan
    made.append(
        ("performance.root_mean_squared_error", math.sqrt(squared), *positive(math.sqrt(squared), relative))
    )
    if label_variance <= 0:
        made.append(("performance.r_squared", None, None, None))
    else:
        # log(1 - R2) = log mean(error^2) - log var(label), var = mean(u^2) - mean(u)^2, u = label - centre
        left = squared / label_variance
        gradient = [
            0,
            0,
            1 / squared if squared > 0 else math.nan,
            2 * mean[LABEL] / label_variance,
            -1 / label_variance,
        ]
        low, high = positive(left, error(gradient) if squared > 0 else math.nan)
        made.append(
            (
                "performance.r_squared",
                1 - left,
                None if high is None else 1 - high,
                None if low is None else 1 - low,
            )
        )
    half = quantile * error([1, 0, 0, 0, 0])
    known = math.isfinite(half) and half > 0
    made.append(
        (
            "performance.mean_error",
            mean[ERROR],
            mean[ERROR] - half if known else None,
            mean[ERROR] + half if known else None,
        )
    )
    return made


def residual_series(bins: Floats, wanted: int, level: float, method: str, *, clustered: bool) -> Series:
    """Mean error by bins of about equal rows along the prediction, from the fine bins."""
    used = bins[:, bins[0] > 0]
    placed = equal_mass_bins(used[0], wanted)
    n, error, squared, forecast = (weighted_counts(placed, row, wanted) for row in used)
    kept = n > 0
    n, error, squared, forecast = n[kept], error[kept], squared[kept], forecast[kept]
    mean = error / n
    spread = np.maximum(squared / n - mean**2, 0) / np.maximum(n - 1, 1)
    half = stdtrit(np.maximum(n - 1, 1), (1 + level) / 2) * np.sqrt(spread)
    half = np.where((n < 2) | clustered, np.nan, half)

    def numbers(values: Floats) -> tuple[float | None, ...]:
        return tuple(float(v) if math.isfinite(v) else None for v in values)

    return Series(
        id="performance.residuals",
        title="Mean error (prediction - label) by prediction",
        method=method,
        columns=(
            SeriesColumn(name="mean_prediction", unit="label units", values=numbers(forecast / n)),
            SeriesColumn(name="mean_residual", unit="label units", values=numbers(mean)),
            SeriesColumn(name="low", unit="label units", values=numbers(mean - half)),
            SeriesColumn(name="high", unit="label units", values=numbers(mean + half)),
            SeriesColumn(name="n", unit="count", values=tuple(int(k) for k in n)),
        ),
        note="Residual: prediction - label. Bins of about equal rows.",
    )
