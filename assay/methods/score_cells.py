"""Counting scores: the sufficient statistics of every measure of a score.

A shard yields entries (score, stratum) -> rows, sparse and sorted. A stratum says what else is told
apart: the label, the group, the cluster. Up to a limit, scores are kept as they are and every measure
is exact; beyond it they fall into equal-width bins between the profile's minimum and maximum, and a
bin keeps the sum of its scores. The grid depends on the profile alone, never on the sharding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import ColumnSummary
from assay.stats.calibration import ProperScores, proper_scores

__all__ = ["EXACT_ROWS", "SCORE_BINS", "Grid", "ScoreCells", "count_scores", "grid_for", "merge_scores"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

EXACT_ROWS = 1_000_000
SCORE_BINS = 65_536
_MOST_ENTRIES = 1 << 22
"""Entries a shard may hold: 4 arrays of 32 MiB."""
_FEWEST_BINS = 256


@dataclass(frozen=True)
class Grid:
    """Equal-width bins over [low, high]; bins = 0 keeps every score."""

    bins: int
    low: float = 0.0
    high: float = 1.0

    @property
    def exact(self) -> bool:
        return self.bins == 0

    def place(self, scores: Floats) -> Ints:
        """Bin of each score; what lies outside (the profile is rounded) goes to the end bins."""
        if self.high <= self.low:
            return np.zeros(scores.shape, np.int64)
        scaled = (scores - self.low) * (self.bins / (self.high - self.low))
        return np.clip(scaled, 0, self.bins - 1).astype(np.int64)

    def as_json(self) -> dict[str, Any]:
        return {"bins": self.bins, "low": self.low, "high": self.high}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Grid:
        return Grid(int(data["bins"]), float(data["low"]), float(data["high"]))


@dataclass(frozen=True)
class ScoreCells:
    """Counted scores of one dataset, sorted by (cell, stratum).

    scores: value of each cell (mean score of a bin), shape (cells,), ascending.
    cell, stratum, count: of each entry, shape (entries,); score_sum: sum of the entry's scores.
    proper: sums of Brier and log-loss terms by stratum; None unless scores are probabilities.
    """

    grid: Grid
    scores: Floats
    cell: Ints
    stratum: Ints
    count: Ints
    score_sum: Floats
    proper: ProperScores | None


def grid_for(
    rows: int, column: ColumnSummary, strata: int, *, exact_rows: int = EXACT_ROWS, bins: int = SCORE_BINS
) -> Grid:
    """Exact cells where rows or distinct scores allow it, otherwise as many bins as fit in memory.

    Args:
        rows: rows of the dataset. column: profile of the score. strata: number of strata.
        exact_rows: up to so many rows every score is kept.
        bins: most bins; halved until bins x strata entries fit.
    """
    if rows <= exact_rows:
        return Grid(0)
    if column.distinct is not None and min(rows, column.distinct * strata) <= _MOST_ENTRIES:
        return Grid(0)
    while bins > _FEWEST_BINS and bins * strata > _MOST_ENTRIES:
        bins //= 2
    low, high = column.minimum or 0.0, column.maximum or 0.0
    return Grid(bins, low, high)


def count_scores(
    batches: Iterable[tuple[Floats, Ints]], strata: int, grid: Grid, positive: npt.NDArray[np.bool_] | None
) -> dict[str, npt.NDArray[Any]]:
    """Count a stream of (scores, strata) to the arrays of a partial.

    Args:
        batches: pairs of arrays of shape (rows,); a stratum of -1 leaves its row out.
        strata: number of strata.
        positive: for probabilities, whether a stratum's rows are positives, shape (strata,); with
            bins, the sums behind Brier score and log loss are then taken from the rows themselves.
    """
    if grid.exact:
        return _count_exact(batches)
    count = np.zeros(grid.bins * strata, np.int64)
    score_sum = np.zeros(grid.bins * strata)
    proper = np.zeros((strata, 4))
    for scores, stratum in batches:
        known = stratum >= 0
        scores, stratum = scores[known], stratum[known]
        key = grid.place(scores) * strata + stratum
        np.add.at(count, key, 1)
        np.add.at(score_sum, key, scores)
        if positive is not None:
            ones = np.ones(scores.shape, np.int64)
            proper += np.stack(proper_scores(scores, positive[stratum], ones, stratum, strata)[1:], axis=1)
    used = np.flatnonzero(count)
    arrays = {
        "cell": used // strata,
        "stratum": used % strata,
        "count": count[used],
        "score_sum": score_sum[used],
    }
    if positive is not None:
        arrays["proper"] = proper
    return arrays


def _count_exact(batches: Iterable[tuple[Floats, Ints]]) -> dict[str, npt.NDArray[Any]]:
    parts = [(scores[stratum >= 0], stratum[stratum >= 0]) for scores, stratum in batches]
    scores = np.concatenate([part[0] for part in parts]) if parts else np.zeros(0)
    stratum = np.concatenate([part[1] for part in parts]) if parts else np.zeros(0, np.int64)
    first, order = _runs(scores, stratum)
    count = np.diff(np.append(first, scores.size))
    return {"score": scores[order][first], "stratum": stratum[order][first], "count": count}


def _runs(major: npt.NDArray[Any], minor: Ints) -> tuple[Ints, Ints]:
    """Starts of the runs of equal (major, minor) in sorted order, and that order."""
    order = np.lexsort((minor, major))
    a, b = major[order], minor[order]
    starts = np.ones(a.size, bool)
    starts[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    return np.flatnonzero(starts), order


def merge_scores(
    parts: Sequence[Mapping[str, npt.NDArray[Any]]],
    grid: Grid,
    strata: int,
    positive: npt.NDArray[np.bool_] | None,
) -> ScoreCells:
    """Add up the arrays of all shards; counts are exact whatever the sharding."""
    major = np.concatenate([part["score" if grid.exact else "cell"] for part in parts])
    stratum = np.concatenate([part["stratum"] for part in parts]).astype(np.int64)
    count = np.concatenate([part["count"] for part in parts]).astype(np.int64)
    first, order = _runs(major, stratum)
    major, stratum = major[order][first], stratum[order][first]
    count = np.add.reduceat(count[order], first) if first.size else count
    values, cell = np.unique(major, return_inverse=True)
    cell = cell.astype(np.int64)
    proper: ProperScores | None = None
    if grid.exact:
        scores = values.astype(np.float64)
        score_sum = scores[cell] * count
        if positive is not None:
            proper = proper_scores(scores[cell], positive[stratum], count, stratum, strata)
    else:
        sums = np.concatenate([part["score_sum"] for part in parts])
        score_sum = np.add.reduceat(sums[order], first) if first.size else sums
        scores = np.bincount(cell, score_sum) / np.bincount(cell, count)
        if positive is not None:
            n = np.bincount(stratum, count, strata).astype(np.int64)
            proper = ProperScores(n, *np.sum([part["proper"] for part in parts], axis=0).T)
    return ScoreCells(grid, scores, cell, stratum, count, score_sum, proper)
