"""Measures and curves of a binary score: ranking, proper scores, calibration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import Series, SeriesColumn
from assay.methods.score_resampling import (
    average_precision_estimate,
    calibration_error_estimate,
    resample,
)
from assay.methods.score_sample import Estimated, ScoreSample
from assay.stats.calibration import Bins
from assay.stats.intervals import normal_quantile, wilson_interval
from assay.stats.ranking import Curve, binning_error, precision_recall_curve, roc_curve

__all__ = ["binning_note", "reliability_columns", "score_estimates", "score_series"]

_POINTS = 400
_THRESHOLDS = 101
_RESOLUTION = 4_096


def score_estimates(
    sample: ScoreSample,
    *,
    probability: bool,
    level: float,
    replicates: int,
    bins: int,
    rng: np.random.Generator,
) -> Iterator[tuple[str, Estimated]]:
    """(measure id, estimate) of every score measure; those of probabilities only where they apply."""
    area = sample.area(level)
    yield "performance.auc", area
    if min(sample.class_rows) == 0:
        yield "performance.average_precision", Estimated(None, note="The label has one class only.")
    table, placed = sample.bins(bins)
    resampled = resample(sample, placed, replicates, rng, resolution=_RESOLUTION)
    if min(sample.class_rows) > 0:
        yield "performance.average_precision", average_precision_estimate(sample, resampled, level)
    if not probability:
        return
    yield "performance.brier_score", sample.mean("brier", level)
    yield "performance.log_loss", sample.mean("log_loss", level)
    error = calibration_error_estimate(sample, table, resampled, level)
    yield (
        "performance.calibration_error",
        error._replace(
            note=f"{len(table.n)} bins of about equal rows. Biased upward: chance alone makes it positive."
        ),
    )
    yield from _line(sample, level)


def _line(sample: ScoreSample, level: float) -> Iterator[tuple[str, Estimated]]:
    line, errors = sample.line()
    z = float(normal_quantile(level))
    if line is None or sample.few_clusters:
        reason = sample.few_clusters or "No finite fit: one score or class, or classes wholly separated."
        for name in ("slope", "intercept"):
            yield f"performance.calibration_{name}", Estimated(None, note=reason)
        return
    method = "wald, clusters" if sample.clusters else "wald"
    note = None
    if line.clipped:
        note = f"{line.clipped:,} probabilities outside 0.000001 to 0.999999 were moved there for the logit."
    for name, value, error in (
        ("slope", line.slope, float(errors[1])),
        ("intercept", line.intercept, float(errors[0])),
    ):
        yield (
            f"performance.calibration_{name}",
            Estimated(value, value - z * error, value + z * error, method, error, note),
        )


def binning_note(sample: ScoreSample) -> str | None:
    """How wrong an AUC on bins can be at most; None when scores were kept as they are."""
    if sample.exact or min(sample.class_rows) == 0:
        return None
    error = binning_error(sample.negatives, sample.positives)
    return (
        f"Scores were counted in {sample.scores.size:,} bins with rows; the AUC is at most {error:.2g} off."
    )


def score_series(
    sample: ScoreSample, method: str, *, probability: bool, level: float, bins: int
) -> tuple[Series, ...]:
    """ROC, precision-recall, thresholds and, for probabilities, reliability."""
    made = [_thresholds(sample, method, probability)]
    if min(sample.class_rows) > 0:
        cells = sample.scores, sample.negatives, sample.positives
        made += [
            _curve(
                roc_curve(*cells, limit=_POINTS),
                method,
                "performance.roc",
                "ROC curve",
                ("false_positive_rate", "true_positive_rate"),
            ),
            _curve(
                precision_recall_curve(*cells, limit=_POINTS),
                method,
                "performance.precision_recall",
                "Precision and recall",
                ("recall", "precision"),
            ),
        ]
    if probability:
        table, _ = sample.bins(bins)
        made.append(
            Series(
                id="performance.reliability",
                title="Observed rate by predicted probability",
                method=method,
                columns=reliability_columns(table, level, clustered=bool(sample.clusters)),
                note=_reliability_note(sample),
            )
        )
    return tuple(made)


def _reliability_note(sample: ScoreSample) -> str:
    if sample.clusters:
        return "Bins of about equal rows; no intervals, since rows of one cluster depend on each other."
    return "Bins of about equal rows; Wilson intervals, each by itself."


def reliability_columns(table: Bins, level: float, *, clustered: bool) -> tuple[SeriesColumn, ...]:
    """mean_score, observed_rate, low, high, n of each bin; no interval where rows are clustered."""
    low: Sequence[Any] = [None] * len(table.n)
    high = low
    if not clustered:
        low, high = (_numbers(limit) for limit in wilson_interval(table.positives, table.n, level))
    return (
        SeriesColumn(name="mean_score", unit="probability", values=_numbers(table.score_sum / table.n)),
        SeriesColumn(name="observed_rate", unit="share", values=_numbers(table.positives / table.n)),
        SeriesColumn(name="low", unit="share", values=tuple(low)),
        SeriesColumn(name="high", unit="share", values=tuple(high)),
        SeriesColumn(name="n", unit="count", values=tuple(int(n) for n in table.n)),
    )


def _curve(curve: Curve, method: str, name: str, title: str, axes: tuple[str, str]) -> Series:
    return Series(
        id=name,
        title=title,
        method=method,
        columns=(
            SeriesColumn(name=axes[0], unit="share", values=_numbers(curve.x)),
            SeriesColumn(name=axes[1], unit="share", values=_numbers(curve.y)),
            SeriesColumn(name="threshold", unit="score", values=_numbers(curve.threshold)),
        ),
        note="Selected: score at or above the threshold; an empty threshold selects no row.",
    )


def _thresholds(sample: ScoreSample, method: str, probability: bool) -> Series:
    """Rates at 101 thresholds: every 0.01 for probabilities, evenly spread in rows for other scores."""
    if probability:
        grid = np.arange(_THRESHOLDS) / (_THRESHOLDS - 1)
    else:
        n = np.cumsum(sample.negatives + sample.positives)
        at = np.searchsorted(n, np.linspace(1, n[-1], _THRESHOLDS))
        grid = np.unique(sample.scores[np.minimum(at, n.size - 1)])
    place = np.searchsorted(sample.scores, grid, side="left")
    hits = _at_or_above(sample.positives)[place]
    false = _at_or_above(sample.negatives)[place]
    negatives, positives = sample.class_rows
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = {
            "threshold": ("score", grid),
            "selection_rate": ("share", (hits + false) / sample.rows),
            "true_positive_rate": ("share", hits / np.float64(positives)),
            "false_positive_rate": ("share", false / np.float64(negatives)),
            "precision": ("share", hits / (hits + false)),
        }
    return Series(
        id="performance.thresholds",
        title="Rates by decision threshold",
        method=method,
        columns=tuple(
            SeriesColumn(name=name, unit=unit, values=_numbers(values))
            for name, (unit, values) in columns.items()
        ),
        note="A row is selected when its score is at or above the threshold.",
    )


def _at_or_above(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Rows in cell k and above, shape (cells + 1,); the last is 0."""
    return np.append(np.cumsum(counts[::-1])[::-1], 0).astype(np.float64)


def _numbers(values: npt.NDArray[Any]) -> tuple[float | None, ...]:
    return tuple(float(v) if math.isfinite(v) else None for v in values)
