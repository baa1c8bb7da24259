"""How well scores rank: AUC with its variance, average precision, and the curves behind them.

All functions work on *score cells*: arrays of shape (cells,) in ascending order of score, which
count the negatives and the positives that share a score value. A million rows with ten thousand
distinct scores cost ten thousand cells, and ties need no special care.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

from assay.errors import Internal

__all__ = [
    "AreaInterval",
    "Curve",
    "area_influence",
    "area_interval",
    "area_under_curve",
    "average_precision",
    "binning_error",
    "clustered_area_variance",
    "delong_variance",
    "precision_recall_curve",
    "roc_curve",
]

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[Any]


class AreaInterval(NamedTuple):
    """An interval for an AUC, and the standard error of a normal approximation that is never 0."""

    low: float
    high: float
    standard_error: float
    method: str


class Curve(NamedTuple):
    """Points of a ROC curve (x = false positive rate) or precision-recall curve (x = recall).

    Shapes (points,), from the highest threshold down; a row is selected when score >= threshold.
    A threshold of +inf selects nothing.
    """

    x: Floats
    y: Floats
    threshold: Floats


def _placements(negatives: Counts, positives: Counts) -> tuple[Floats, Floats]:
    """DeLong's components: V10 of a positive and V01 of a negative, for each cell."""
    n_negative, n_positive = float(negatives.sum()), float(positives.sum())
    if n_negative <= 0 or n_positive <= 0:
        raise Internal("An AUC needs at least one row of each class.")
    below = np.cumsum(negatives) - negatives
    above = n_positive - np.cumsum(positives)
    return (below + negatives / 2) / n_negative, (above + positives / 2) / n_positive


def area_under_curve(negatives: Counts, positives: Counts) -> float:
    """P(score of a positive > score of a negative) + P(equal) / 2, exact for integer counts.

    Args:
        negatives, positives: counts, shape (cells,), ascending score.

    Raises:
        Internal: one of the classes has no row.

    Source: Mann & Whitney 1947; Hanley & McNeil 1982.
    """
    n_negative, n_positive = negatives.sum(), positives.sum()
    if n_negative <= 0 or n_positive <= 0:
        raise Internal("An AUC needs at least one row of each class.")
    below_twice = 2 * np.cumsum(negatives) - negatives
    return float((positives * below_twice).sum() / (2 * n_negative * n_positive))


def delong_variance(negatives: Counts, positives: Counts) -> float:
    """Variance of the AUC by DeLong's placements: S10 / positives + S01 / negatives.

    One pass over sorted cells instead of all pairs, so O(cells) once sorted. NaN when a class has
    fewer than 2 rows.

    Source: DeLong, DeLong & Clarke-Pearson 1988; Sun & Xu 2014.
    """
    n_negative, n_positive = float(negatives.sum()), float(positives.sum())
    if min(n_negative, n_positive) < 2:
        return math.nan
    of_positive, of_negative = _placements(negatives, positives)
    area = area_under_curve(negatives, positives)
    s10 = float((positives * (of_positive - area) ** 2).sum()) / (n_positive - 1)
    s01 = float((negatives * (of_negative - area) ** 2).sum()) / (n_negative - 1)
    return s10 / n_positive + s01 / n_negative


def area_influence(negatives: Counts, positives: Counts) -> tuple[Floats, Floats]:
    """How much one negative and one positive row of each cell move the AUC.

    Returns:
        ((V01 - AUC) / negatives, (V10 - AUC) / positives), each of shape (cells,). Summed over all
        rows they give 0; the sum of their squares is, up to n / (n - 1), DeLong's variance.
    """
    of_positive, of_negative = _placements(negatives, positives)
    area = area_under_curve(negatives, positives)
    return (of_negative - area) / float(negatives.sum()), (of_positive - area) / float(positives.sum())


def clustered_area_variance(
    cell: npt.NDArray[np.int64],
    positive: npt.NDArray[np.bool_],
    cluster: npt.NDArray[np.int64],
    count: Counts,
) -> float:
    """Variance of the AUC when rows come in clusters (several rows of one patient).

    DeLong's placements are summed within clusters before they are squared, and positives and
    negatives of one cluster may covary:
    var = S10 / positives + S01 / negatives + 2 S11 / (positives x negatives).

    Args:
        cell: index of the score cell (ascending score), shape (entries,).
        positive: whether the entry's rows are positives, shape (entries,).
        cluster: cluster of the entry, shape (entries,), from 0.
        count: rows of the entry, shape (entries,).

    Returns:
        The variance, or NaN when fewer than 2 clusters hold a class.

    Source: Obuchowski 1997, Biometrics 53(2), section 2.
    """
    cells, clusters = int(cell.max()) + 1, int(cluster.max()) + 1
    negatives = np.bincount(cell, np.where(positive, 0, count), cells)
    positives = np.bincount(cell, np.where(positive, count, 0), cells)
    of_negative, of_positive = area_influence(negatives, positives)
    move10 = np.bincount(cluster, np.where(positive, count * of_positive[cell], 0.0), clusters)
    move01 = np.bincount(cluster, np.where(positive, 0.0, count * of_negative[cell]), clusters)
    with10 = np.unique(cluster[positive & (count > 0)]).size
    with01 = np.unique(cluster[~positive & (count > 0)]).size
    if min(with10, with01) < 2:
        return math.nan
    both = np.unique(cluster[count > 0]).size
    variance = (
        with10 / (with10 - 1) * float((move10**2).sum())
        + with01 / (with01 - 1) * float((move01**2).sum())
        + 2 * both / (both - 1) * float((move10 * move01).sum())
    )
    return max(variance, 0.0)


def area_interval(value: float, variance: float, pairs: int, level: float = 0.95) -> AreaInterval:
    """Interval for an AUC that stays inside [0, 1] and never collapses to a point.

    With a positive variance: normal on the logit scale, logit(AUC) +- z se / (AUC (1 - AUC)).
    Where the variance is 0 it says nothing, and an exact bound from `pairs` independent
    (positive, negative) pairs takes its place: for AUC = 1 the AUC A0 with
    A0^pairs = (1 - level) / 2 (all pairs rank rightly with probability at most A0^pairs), mirrored
    for AUC = 0; between, with all scores tied, Hoeffding's
    sqrt(log(2 / (1 - level)) / (2 pairs)).

    Args:
        value: the AUC. variance: its variance (DeLong, or clustered).
        pairs: disjoint pairs that can be formed, min(positives, negatives); at least 1.

    Source: Pepe 2003, section 5.2 (logit); Hoeffding 1963, section 5 (U-statistics).
    """
    tail = (1 - level) / 2
    z = float(-ndtri(tail))
    if variance > 0 and 0 < value < 1:
        error = math.sqrt(variance)
        logit = math.log(value / (1 - value))
        half = z * error / (value * (1 - value))
        return AreaInterval(float(expit(logit - half)), float(expit(logit + half)), error, "delong logit")
    if value in (0.0, 1.0):
        reach = 1 - tail ** (1 / pairs)
        name = "exact, disjoint pairs"
    else:
        reach = math.sqrt(math.log(1 / tail) / (2 * pairs))
        name = "hoeffding, disjoint pairs"
    return AreaInterval(max(value - reach, 0.0), min(value + reach, 1.0), reach / z, name)


def binning_error(negatives: Counts, positives: Counts) -> float:
    """Largest error of an AUC computed on bins of scores: sum(pos_b neg_b) / (2 positives negatives).

    A pair inside one bin counts 1/2 and would count 0 or 1; all other pairs are exact.
    """
    inside = float((positives.astype(np.float64) * negatives).sum())
    return inside / (2.0 * float(positives.sum()) * float(negatives.sum()))


def average_precision(negatives: Counts, positives: Counts) -> Floats:
    """Step-wise area under the precision-recall curve, sum of (recall_k - recall_k-1) precision_k.

    Thresholds run over the cells from the highest score down; no interpolation.

    Args:
        negatives, positives: counts, shape (..., cells), ascending score; leading axes (bootstrap
            replicates) are kept.

    Returns:
        Shape (...); NaN where there is no positive.

    Source: Zhu 2004; the definition of scikit-learn's average_precision_score.
    """
    hits = np.cumsum(positives[..., ::-1], axis=-1, dtype=np.float64)
    selected = np.cumsum(negatives[..., ::-1], axis=-1, dtype=np.float64)
    selected += hits
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.divide(hits, selected, out=np.zeros_like(hits), where=selected > 0)
        summed = (positives[..., ::-1] * precision).sum(axis=-1) / hits[..., -1]
    return np.asarray(summed)


def _spread(position: Floats, limit: int) -> npt.NDArray[np.intp]:
    """At most `limit` indices whose ascending `position` is spread evenly, ends included."""
    if position.size <= limit:
        return np.arange(position.size)
    targets = np.linspace(position[0], position[-1], limit)
    return np.unique(np.minimum(np.searchsorted(position, targets), position.size - 1))


def roc_curve(scores: Floats, negatives: Counts, positives: Counts, limit: int = 400) -> Curve:
    """ROC points, thinned to at most `limit` spread evenly along the curve.

    Starts with (0, 0) at threshold +inf and ends with (1, 1) at the lowest score.
    """
    false = np.concatenate([[0], np.cumsum(negatives[::-1])]) / float(negatives.sum())
    true = np.concatenate([[0], np.cumsum(positives[::-1])]) / float(positives.sum())
    threshold = np.concatenate([[np.inf], scores[::-1]])
    keep = _spread(false + true, limit)
    return Curve(false[keep], true[keep], threshold[keep])


def precision_recall_curve(scores: Floats, negatives: Counts, positives: Counts, limit: int = 400) -> Curve:
    """Precision-recall points at the thresholds where recall rises, thinned to at most `limit`."""
    hits = np.cumsum(positives[::-1]).astype(np.float64)
    selected = hits + np.cumsum(negatives[::-1])
    rises = np.flatnonzero(positives[::-1] > 0)
    recall = hits[rises] / hits[-1]
    keep = rises[_spread(recall, limit)]
    return Curve(hits[keep] / hits[-1], hits[keep] / selected[keep], scores[::-1][keep])
