"""Bootstrap of a score sample: average precision and calibration error with their intervals."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from assay.methods.score_sample import Estimated, ScoreSample
from assay.stats.bootstrap import cluster_bootstrap, multinomial_bootstrap
from assay.stats.calibration import Bins, calibration_error, calibration_error_interval
from assay.stats.intervals import normal_quantile
from assay.stats.ranking import average_precision

__all__ = ["Resampled", "average_precision_estimate", "calibration_error_estimate", "resample"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_CHUNK = 4_000_000
"""Replicates x (cells + rows) held at once: 32 MB."""
_CLUSTER_WORK = 200_000_000
"""Entries x replicates of a clustered bootstrap of average precision: about two seconds."""


class Resampled(NamedTuple):
    """Bootstrap replicates: average precision less its centre (replicates,), residuals (replicates, bins)."""

    average_precision: Floats
    residuals: Floats
    method: str


def resample(
    sample: ScoreSample,
    placed: Ints,
    replicates: int,
    rng: np.random.Generator,
    *,
    resolution: int,
    ranks: bool = True,
) -> Resampled:
    """Bootstrap average precision and the residuals of the calibration bins together.

    Rows (whole clusters, where there are clusters) are drawn with replacement. Where there are
    more than `resolution` cells, neighbours are pooled for the bootstrap only: what is used is
    the spread of the replicates around their own centre.

    Args:
        placed: calibration bin of each cell, ascending. ranks: False leaves average precision out.
    """
    if sample.clusters:
        return _resample_clusters(sample, placed, replicates, rng, ranks)
    pool = _pool(sample, placed, resolution)
    starts = np.flatnonzero(np.diff(pool, prepend=-1))
    negatives, positives = (
        np.add.reduceat(sample.negatives, starts),
        np.add.reduceat(sample.positives, starts),
    )
    mean = np.add.reduceat(sample.score_sum, starts) / (negatives + positives)
    bin_starts = np.flatnonzero(np.diff(placed[starts], prepend=-1))
    counts = np.concatenate([negatives, positives])
    rows, cells = int(counts.sum()), starts.size
    centre = float(average_precision(negatives, positives)) if ranks else math.nan
    precision, residuals = [], []
    size = max(1, _CHUNK // (2 * cells + rows if rows <= 8 * counts.size else 2 * cells))
    for start in range(0, replicates, size):
        drawn = _draw(counts, min(size, replicates - start), rng)
        fewer, more = drawn[:, :cells], drawn[:, cells:]
        residuals.append(np.add.reduceat(more - (fewer + more) * mean, bin_starts, axis=1))
        if ranks:
            precision.append(average_precision(fewer, more) - centre)
    return Resampled(
        np.concatenate(precision) if ranks else np.zeros(0),
        np.concatenate(residuals),
        f"row bootstrap {replicates:,}",
    )


def _pool(sample: ScoreSample, placed: Ints, resolution: int) -> Ints:
    """Group of each cell, ascending: at most about `resolution`, even along the ROC curve."""
    if sample.scores.size <= resolution:
        return np.arange(sample.scores.size)
    negatives, positives = sample.class_rows
    along = np.cumsum(sample.negatives) / max(negatives, 1) + np.cumsum(sample.positives) / max(positives, 1)
    step = np.minimum((along / 2 * resolution).astype(np.int64), resolution - 1)
    changes = (np.diff(step, prepend=step[0]) != 0) | (np.diff(placed, prepend=placed[0]) != 0)
    return np.cumsum(changes)


def _resample_clusters(
    sample: ScoreSample, placed: Ints, replicates: int, rng: np.random.Generator, ranks: bool
) -> Resampled:
    mean = sample.score_sum / (sample.negatives + sample.positives)
    bins = int(placed[-1]) + 1
    residual = sample.count * (sample.positive - mean[sample.cell])
    key = sample.cluster * bins + placed[sample.cell]
    sums = np.bincount(key, residual, sample.clusters * bins).reshape(sample.clusters, bins)
    residuals = cluster_bootstrap(sums, replicates, rng)
    if not ranks:
        return Resampled(np.zeros(0), residuals, f"cluster bootstrap {replicates:,}")
    times = min(replicates, max(200, _CLUSTER_WORK // sample.count.size))
    centre, precision = sample.average_precision(), np.empty(times)
    for replicate in range(times):
        weight = np.bincount(rng.integers(0, sample.clusters, sample.clusters), minlength=sample.clusters)
        rows = weight[sample.cluster] * sample.count
        both = np.bincount(sample.cell * 2 + sample.positive, rows, 2 * sample.scores.size).reshape(-1, 2)
        precision[replicate] = average_precision(both[:, 0], both[:, 1]) - centre
    return Resampled(precision, residuals, f"cluster bootstrap {times:,}")


def calibration_error_estimate(
    sample: ScoreSample, bins: Bins, resampled: Resampled, level: float
) -> Estimated:
    """ECE with the interval of `calibration_error_interval`."""
    if sample.few_clusters:
        return Estimated(None, note=sample.few_clusters)
    low, high = calibration_error_interval(bins, resampled.residuals, level)
    return Estimated(calibration_error(bins), low, high, resampled.method)


def average_precision_estimate(sample: ScoreSample, resampled: Resampled, level: float) -> Estimated:
    """Average precision with a bias-corrected normal interval on the logit scale.

    Ties among drawn copies bias the replicates upward, and the estimate itself is skewed: the
    percentile interval misses on one side up to 15 % of the time (docs of the method). So
    logit(value) - bias +- z error, bias and error from the logits of the replicates, held
    1 / (2 positives x negatives) off 0 and 1. A perfect ranking has no spread: its lower end is the
    worst case.
    """
    if sample.few_clusters:
        return Estimated(None, note=sample.few_clusters)
    value, tail = sample.average_precision(), (1 - level) / 2
    drawn = value + resampled.average_precision[~np.isnan(resampled.average_precision)]
    if value > 1 - 1e-12 or drawn.size < 2 or np.ptp(drawn) < 1e-12:
        return Estimated(value, _worst_precision(sample, value, tail), 1.0, "exact, worst case")
    edge = 1 / (2 * math.prod(sample.class_rows))
    logits, centre = logit(np.clip(drawn, edge, 1 - edge)), float(logit(np.clip(value, edge, 1 - edge)))
    half = float(normal_quantile(level)) * float(logits.std())
    middle = 2 * centre - float(logits.mean())
    low, high = float(expit(middle - half)), float(expit(middle + half))
    return Estimated(value, min(low, value), max(high, value), f"{resampled.method}, logit")


def _worst_precision(sample: ScoreSample, value: float, tail: float) -> float:
    """Average precision if the share of misplaced rows of each class were at its exact limit.

    0 of m rows misplaced allows a share u = 1 - tail^(1 / m): that share of the negatives is put
    above, and of the positives below, all others. With clusters m counts clusters.
    """
    negatives, positives = sample.class_rows
    units = [sample.independent_pairs] * 2 if sample.clusters else [negatives, positives]
    above, below = (1 - tail ** (1 / max(unit, 1)) for unit in units)
    worst = average_precision(
        np.array([0, negatives * (1 - above), 0, negatives * above]),
        np.array([positives * below, 0, positives * (1 - below), 0]),
    )
    return min(float(worst), value)


def _draw(counts: Ints, replicates: int, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Counts of the cells in resamples of the rows, by whichever exact way is faster."""
    rows = int(counts.sum())
    if rows > 8 * counts.size:
        return multinomial_bootstrap(counts, replicates, rng)
    cell_of_row = np.repeat(np.arange(counts.size), counts)
    drawn = cell_of_row[rng.integers(0, rows, size=(replicates, rows))]
    drawn += np.arange(replicates)[:, None] * counts.size
    return np.bincount(drawn.ravel(), minlength=replicates * counts.size).reshape(replicates, counts.size)
