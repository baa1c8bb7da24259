"""Do predicted probabilities mean what they say? Proper scores, calibration error, slope and intercept.

Functions work on score cells (see `assay.stats.ranking`): arrays of shape (cells,) in ascending
order of probability that count the negatives and positives sharing a value.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from assay.stats.intervals import Interval

__all__ = [
    "LOGIT_CLIP",
    "LOG_LOSS_CLIP",
    "Bins",
    "CalibrationLine",
    "bin_counts",
    "brier_terms",
    "calibration_error",
    "calibration_error_interval",
    "calibration_line",
    "equal_mass_bins",
    "line_scores",
    "log_loss_terms",
    "weighted_counts",
]

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[Any]

LOG_LOSS_CLIP = float(np.finfo(np.float64).eps)
"""Probabilities of 0 and 1 are moved in by this before a logarithm (scikit-learn's choice)."""
LOGIT_CLIP = 1e-6
"""Probabilities are held inside [LOGIT_CLIP, 1 - LOGIT_CLIP] before a logit, which caps their leverage."""
_MAX_STEPS = 100


class Bins(NamedTuple):
    """Rows, positives and summed probability of each bin that has rows, shapes (bins,)."""

    n: Floats
    positives: Floats
    score_sum: Floats

    @property
    def residuals(self) -> Floats:
        """Positives minus expected positives of each bin."""
        return self.positives - self.score_sum


class CalibrationLine(NamedTuple):
    """logit P(label) = intercept + slope x logit(probability), with the covariance of (intercept, slope)."""

    intercept: float
    slope: float
    covariance: Floats
    clipped: int
    """Rows whose probability was moved to stay within the clip."""


def brier_terms(scores: Floats) -> tuple[Floats, Floats]:
    """Squared error of one negative and of one positive row at each score.

    Their mean over rows is the Brier score. Source: Brier 1950.
    """
    return scores**2, (1 - scores) ** 2


def log_loss_terms(scores: Floats) -> tuple[Floats, Floats]:
    """-log of the probability given to what happened, for one negative and one positive row.

    Their mean over rows is the log loss; 0 and 1 are moved in by LOG_LOSS_CLIP. Source: Good 1952.
    """
    held = np.clip(scores, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    return -np.log1p(-held), -np.log(held)


def weighted_counts(place: npt.NDArray[np.int64], weight: Counts, size: int) -> Floats:
    """Sum of the weights that fall to each place, shape (size,); float whatever the weights are."""
    return np.bincount(place, weight, size).astype(np.float64)


def equal_mass_bins(n: Counts, bins: int) -> npt.NDArray[np.int64]:
    """Bin of each cell so that bins hold about the same number of rows.

    Cells stay whole (equal scores never fall into two bins): a cell goes where its middle row falls.

    Args:
        n: rows of each cell, shape (cells,), ascending score.

    Returns:
        Ascending bin numbers in [0, bins), shape (cells,); a heavy cell may leave numbers unused.
    """
    middle = np.cumsum(n) - n / 2
    placed: npt.NDArray[np.int64] = np.minimum((middle * bins / n.sum()).astype(np.int64), bins - 1)
    return placed


def bin_counts(
    score_sum: Floats, negatives: Counts, positives: Counts, bin_of: npt.NDArray[np.int64]
) -> Bins:
    """Add cells up to bins; bins without rows are left out.

    Args:
        score_sum: sum of the probabilities of each cell's rows (score x rows), shape (cells,).
        bin_of: bin of each cell, shape (cells,).
    """
    size = int(bin_of.max()) + 1
    n = weighted_counts(bin_of, negatives + positives, size)
    used = n > 0
    hits, scores = weighted_counts(bin_of, positives, size), weighted_counts(bin_of, score_sum, size)
    return Bins(n[used], hits[used], scores[used])


def calibration_error(bins: Bins) -> float:
    """Expected calibration error: sum over bins of (rows / all rows) |observed rate - mean probability|.

    Chance alone makes it positive, so it is biased upward, the more so the smaller the sample.

    Source: Naeini, Cooper & Hauskrecht 2015; Guo et al. 2017 (equal width); Nixon et al. 2019 (equal mass).
    """
    return float(np.abs(bins.residuals).sum() / bins.n.sum())


def calibration_error_interval(bins: Bins, residuals: Floats, level: float = 0.95) -> Interval[float]:
    """Interval for the calibration error over fixed bins from bootstrapped residuals of the bins.

    The percentile interval of an upward-biased statistic can lie wholly above the truth: a perfectly
    calibrated model would seem miscalibrated. The lower end therefore rests on the triangle
    inequality |ECE^ - ECE| <= sum |residual^ - residual| / n, whose right side the bootstrap gives
    without that bias: low = ECE^ - its `level` quantile, which is exact at perfect calibration and
    cautious elsewhere. The upper end is the percentile one, already cautious because of the bias.

    Args:
        bins: the observed bins.
        residuals: bootstrap replicates of Bins.residuals, shape (replicates, bins).
    """
    rows = float(bins.n.sum())
    value = calibration_error(bins)
    noise = np.abs(residuals - bins.residuals).sum(axis=1) / rows
    replicated = np.abs(residuals).sum(axis=1) / rows
    low = value - float(np.quantile(noise, level))
    high = float(np.quantile(replicated, (1 + level) / 2))
    return Interval(max(low, 0.0), min(max(high, value), 1.0))


def _logits(scores: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    held = np.clip(scores, LOGIT_CLIP, 1 - LOGIT_CLIP)
    return np.log(held / (1 - held)), held != scores


def calibration_line(scores: Floats, negatives: Counts, positives: Counts) -> CalibrationLine | None:
    """Calibration slope and intercept: logistic regression of the label on logit(probability).

    Newton's method with step halving on the cells; slope 1 and intercept 0 are perfect calibration,
    slope < 1 means probabilities too extreme, > 1 too timid. The covariance is the inverse of the
    observed information.

    Args:
        scores: probabilities in [0, 1], shape (cells,), ascending. negatives, positives: counts.

    Returns:
        None when no finite maximum exists: one class only, one distinct score, or scores that
        separate the classes.

    Source: Cox 1958; Van Calster et al. 2019.
    """
    x, moved = _logits(scores)
    n = (negatives + positives).astype(np.float64)
    hits = positives.astype(np.float64)
    with_positive, with_negative = x[positives > 0], x[negatives > 0]
    if with_positive.size == 0 or with_negative.size == 0:
        return None
    if with_negative.max() <= with_positive.min() or with_positive.max() <= with_negative.min():
        return None
    design = np.stack([np.ones_like(x), x], axis=1)

    def likelihood(beta: Floats) -> float:
        eta = design @ beta
        return float((hits * eta - n * np.logaddexp(0, eta)).sum())

    beta = np.array([0.0, 1.0])
    current = likelihood(beta)
    for _ in range(_MAX_STEPS):
        fitted = expit(design @ beta)
        gradient = design.T @ (hits - n * fitted)
        information = (design * (n * fitted * (1 - fitted))[:, None]).T @ design
        if not np.all(np.isfinite(information)) or np.linalg.cond(information) > 1e14:
            return None
        step = np.linalg.solve(information, gradient)
        if float(np.abs(step).max()) < 1e-10 * (1 + float(np.abs(beta).max())):
            clipped = int(n[moved].sum())
            return CalibrationLine(float(beta[0]), float(beta[1]), np.linalg.inv(information), clipped)
        size = 1.0
        while likelihood(beta + size * step) < current - 1e-9 * abs(current) and size > 1e-6:
            size /= 2
        beta = beta + size * step
        current = likelihood(beta)
    return None


def line_scores(line: CalibrationLine, scores: Floats, positive: npt.NDArray[np.bool_]) -> Floats:
    """Gradient of one row's log-likelihood at the fitted line, shape (entries, 2).

    Summed within clusters these give the cluster-robust covariance C (sum g g') C with C the
    line's covariance (Liang & Zeger 1986).
    """
    x, _ = _logits(scores)
    residual = positive - expit(line.intercept + line.slope * x)
    return np.stack([residual, residual * x], axis=1)
