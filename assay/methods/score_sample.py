"""Estimates from the scores of one population: all rows, or the rows of one group."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.methods.cluster_blocks import FEWEST_CLUSTERS
from assay.methods.score_cells import ScoreCells
from assay.stats.calibration import (
    Bins,
    CalibrationLine,
    bin_counts,
    calibration_line,
    equal_mass_bins,
    line_scores,
    weighted_counts,
)
from assay.stats.intervals import normal_quantile
from assay.stats.ranking import (
    area_interval,
    area_under_curve,
    average_precision,
    clustered_area_variance,
    delong_variance,
)

__all__ = ["Estimated", "ProperScores", "ScoreSample", "sample_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Estimated(NamedTuple):
    """An estimate ready to become a measure; value None = insufficient, and the note says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    interval_method: str | None = None
    standard_error: float = math.nan
    note: str | None = None


class ProperScores(NamedTuple):
    """Rows, and sums over them of the Brier and log-loss terms and of their squares; (clusters or 1,)."""

    n: Ints
    brier: Floats
    brier_squared: Floats
    log_loss: Floats
    log_loss_squared: Floats


@dataclass(frozen=True)
class ScoreSample:
    """Score cells of one population.

    scores, score_sum, negatives, positives: shape (cells,), ascending score.
    cell, positive, cluster, count: entries by cluster (clusters numbered from 0); without a cluster
        column every array but `cluster` still stands and `clusters` is 0.
    proper: Brier and log-loss sums by cluster, or one in all; None unless scores are probabilities.
    """

    scores: Floats
    score_sum: Floats
    negatives: Ints
    positives: Ints
    cell: Ints
    positive: npt.NDArray[np.bool_]
    cluster: Ints
    count: Ints
    clusters: int
    proper: ProperScores | None
    exact: bool

    @property
    def rows(self) -> int:
        return int(self.negatives.sum() + self.positives.sum())

    @property
    def class_rows(self) -> tuple[int, int]:
        """Rows of the negative and of the positive class."""
        return int(self.negatives.sum()), int(self.positives.sum())

    @property
    def independent_pairs(self) -> int:
        """Disjoint (positive, negative) pairs of independent rows that can be formed."""
        if not self.clusters:
            return min(self.class_rows)
        with_positive = np.unique(self.cluster[self.positive]).size
        with_negative = np.unique(self.cluster[~self.positive]).size
        return min(with_positive, with_negative, self.clusters // 2)

    @property
    def few_clusters(self) -> str | None:
        """Why clusters are too few for any interval; None when they are not."""
        if not 0 < self.clusters < FEWEST_CLUSTERS:
            return None
        return f"{self.clusters} clusters; {FEWEST_CLUSTERS} are needed to estimate a spread."

    def area(self, level: float, needed: int = 2) -> Estimated:
        """AUC with its interval; insufficient below `needed` rows of either class."""
        negatives, positives = self.class_rows
        if min(negatives, positives) < needed:
            found = f"{positives:,} favourable and {negatives:,} other labels"
            return Estimated(None, note=f"{found}; an AUC needs {needed} of each.")
        if self.few_clusters:
            return Estimated(None, note=self.few_clusters)
        value = area_under_curve(self.negatives, self.positives)
        if self.clusters:
            variance = clustered_area_variance(self.cell, self.positive, self.cluster, self.count)
            pairs = self.independent_pairs
            if math.isnan(variance) or pairs < 1:
                return Estimated(
                    None, note="Fewer than 2 clusters hold a class; no variance can be estimated."
                )
        else:
            variance, pairs = delong_variance(self.negatives, self.positives), min(negatives, positives)
        interval = area_interval(value, variance, pairs, level)
        method = interval.method.replace("delong", "obuchowski") if self.clusters else interval.method
        return Estimated(value, interval.low, interval.high, method, interval.standard_error)

    def average_precision(self) -> float:
        return float(average_precision(self.negatives, self.positives))

    def bins(self, bins: int) -> tuple[Bins, Ints]:
        """Bins of about equal numbers of rows, and the bin of each cell."""
        placed = equal_mass_bins(self.negatives + self.positives, bins)
        placed = np.unique(placed, return_inverse=True)[1].astype(np.int64)
        return bin_counts(self.score_sum, self.negatives, self.positives, placed), placed

    def mean(self, total: str, level: float) -> Estimated:
        """Mean of `brier` or `log_loss` over rows, with a normal interval held at or above 0."""
        if self.proper is None:
            return Estimated(None, note="Only probabilities have it.")
        sums, squares = getattr(self.proper, total), getattr(self.proper, f"{total}_squared")
        n = self.rows
        value = float(sums.sum()) / n
        if n < 2 or self.few_clusters:
            return Estimated(None, note=self.few_clusters or "One row alone has no spread to estimate.")
        if self.clusters:
            moved = sums - self.proper.n * value
            spread = float((moved**2).sum()) * self.clusters / (self.clusters - 1) / n**2
        else:
            spread = max(float(squares.sum()) / n - value**2, 0.0) / (n - 1)
        if spread <= 1e-24:
            return self._without_spread(value, total, level)
        half = float(normal_quantile(level)) * math.sqrt(spread)
        name = "normal, clusters" if self.clusters else "normal"
        return Estimated(value, max(value - half, 0.0), value + half, name, math.sqrt(spread))

    def _without_spread(self, value: float, total: str, level: float) -> Estimated:
        """All rows lose the same: Hoeffding's bound for the Brier terms, which lie in [0, 1]."""
        if total != "brier":
            return Estimated(value, note="All rows have the same loss, so its error cannot be estimated.")
        reach = math.sqrt(math.log(2 / (1 - level)) / (2 * (self.clusters or self.rows)))
        return Estimated(value, max(value - reach, 0.0), min(value + reach, 1.0), "hoeffding")

    def line(self) -> tuple[CalibrationLine | None, Floats]:
        """Calibration line and the standard errors of (intercept, slope), cluster-robust with clusters."""
        line = calibration_line(self.scores, self.negatives, self.positives)
        if line is None:
            return None, np.full(2, np.nan)
        covariance = line.covariance
        if self.clusters > 2:
            rows = line_scores(line, self.scores[self.cell], self.positive) * self.count[:, None]
            summed = np.stack([np.bincount(self.cluster, column, self.clusters) for column in rows.T], axis=1)
            middle = summed.T @ summed * (self.clusters / (self.clusters - 1))
            covariance = covariance @ middle @ covariance
        return line, np.sqrt(np.diag(covariance))


def sample_of(
    cells: ScoreCells, entries: Ints, positive: npt.NDArray[np.bool_], cluster: Ints | None
) -> ScoreSample:
    """The sample made of some entries of counted scores.

    Args:
        entries: indices of the entries that belong, at least one.
        positive: whether an entry's rows are positives, shape (all entries,).
        cluster: cluster of each entry, shape (all entries,), or None where rows are independent.
    """
    kept, cell = np.unique(cells.cell[entries], return_inverse=True)
    cell, hit, count = cell.astype(np.int64), positive[entries], cells.count[entries]
    negatives = weighted_counts(cell[~hit], count[~hit], kept.size).astype(np.int64)
    positives = weighted_counts(cell[hit], count[hit], kept.size).astype(np.int64)
    score_sum = weighted_counts(cell, cells.score_sum[entries], kept.size)
    clusters, number = 0, np.zeros(cell.shape, np.int64)
    if cluster is not None:
        names, place = np.unique(cluster[entries], return_inverse=True)
        clusters, number = names.size, place.astype(np.int64)
    proper = None
    if cells.losses is not None:
        sums = (weighted_counts(number, column, max(clusters, 1)) for column in cells.losses[entries].T)
        proper = ProperScores(weighted_counts(number, count, max(clusters, 1)).astype(np.int64), *sums)
    return ScoreSample(
        scores=cells.scores[kept] if cells.grid.exact else score_sum / (negatives + positives),
        score_sum=score_sum,
        negatives=negatives,
        positives=positives,
        cell=cell,
        positive=hit,
        cluster=number,
        count=count,
        clusters=clusters,
        proper=proper,
        exact=cells.grid.exact,
    )
