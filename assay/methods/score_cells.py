"""Counting scores: the sufficient statistics of every measure of a score.

A shard yields entries (score, stratum) -> rows, sparse and sorted. A stratum says what else is told
apart: the label, the group, the cluster. Up to a limit, scores are kept as they are and every measure
is exact; beyond it they fall into equal-width bins between the profile's minimum and maximum, and a
bin keeps the sum of its scores. The grid depends on the profile alone, never on the sharding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from assay.contracts import ColumnSummary, Params, Partial
from assay.errors import ChildFailed
from assay.methods.checked_arrays import Wanted, check_arrays, counted, floats, whole
from assay.stats.calibration import brier_terms, log_loss_terms, weighted_counts

__all__ = [
    "EXACT_ROWS",
    "SCORE_BINS",
    "Grid",
    "ScoreCells",
    "ScoreGridParams",
    "check_scores",
    "count_scores",
    "grid_for",
    "merge_scores",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

EXACT_ROWS = 1_000_000
SCORE_BINS = 65_536
_MOST_ENTRIES = 1 << 19
"""Possible entries (bins x strata) up to which the bins stay as many as asked for: 32 MiB a shard."""
_FEWEST_BINS = 1_024
_LARGEST = float(np.finfo(np.float64).max)
_PENDING = 1 << 20
"""Entries that may wait before equal ones are added up."""


class ScoreGridParams(Params):
    """How finely scores are kept; shared by every method that counts them."""

    exact_rows: Annotated[int, Field(ge=0, le=5_000_000)] = Field(
        EXACT_ROWS, description="Up to so many rows every distinct score is kept; beyond, scores are binned."
    )
    score_bins: Annotated[int, Field(ge=256, le=1 << 20)] = Field(
        SCORE_BINS, description="Most equal-width bins of the scores where they are binned."
    )


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
    cell, stratum, count, score_sum: of each entry, shape (entries,).
    losses: sums over the entry's rows of Brier term, its square, log loss, its square; shape
        (entries, 4); None unless scores are probabilities.
    """

    grid: Grid
    scores: Floats
    cell: Ints
    stratum: Ints
    count: Ints
    score_sum: Floats
    losses: Floats | None


def grid_for(
    rows: int, column: ColumnSummary, strata: int, *, exact_rows: int = EXACT_ROWS, bins: int = SCORE_BINS
) -> Grid:
    """Exact cells where rows or distinct scores allow it, otherwise as many bins as fit in memory.

    Args:
        rows: rows of the dataset. column: profile of the score. strata: number of strata.
        exact_rows: up to so many rows every score is kept.
        bins: most bins; halved, to 1,024 at the least, until bins x strata entries fit.
    """
    if rows <= exact_rows:
        return Grid(0)
    if column.distinct is not None and min(rows, column.distinct * strata) <= _MOST_ENTRIES:
        return Grid(0)
    while bins > _FEWEST_BINS and bins * strata > _MOST_ENTRIES:
        bins //= 2
    return Grid(bins, column.minimum or 0.0, column.maximum or 0.0)


def loss_terms(scores: Floats, positive: npt.NDArray[np.bool_]) -> Floats:
    """Brier term, its square, log loss and its square of rows with these scores, shape (rows, 4)."""
    brier = np.where(positive, *brier_terms(scores)[::-1])
    loss = np.where(positive, *log_loss_terms(scores)[::-1])
    return np.stack([brier, brier**2, loss, loss**2], axis=1)


def count_scores(
    batches: Iterable[tuple[Floats, Ints]],
    strata: int,
    grid: Grid,
    positive: Callable[[Ints], npt.NDArray[np.bool_]] | None,
) -> dict[str, npt.NDArray[Any]]:
    """Count a stream of (scores, strata) to the arrays of a partial.

    Args:
        batches: pairs of arrays of shape (rows,).
        strata: number of strata.
        positive: for probabilities, tells whether strata hold positives. On a grid the sums behind
            Brier score and log loss are taken from the rows themselves, so binning costs them nothing.
    """
    if grid.exact:
        return _count_exact(batches)
    pending: list[tuple[Ints, Floats]] = []
    waiting = 0
    for scores, stratum in batches:
        columns = [np.ones((scores.size, 1)), scores[:, None]]
        if positive is not None:
            columns.append(loss_terms(scores, positive(stratum)))
        pending.append(_add_up(grid.place(scores) * strata + stratum, np.concatenate(columns, axis=1)))
        waiting += pending[-1][0].size
        if waiting > _PENDING:
            pending, waiting = [_gather(pending)], 0
    key, sums = _gather(pending)
    return {"cell": key // strata, "stratum": key % strata, "sums": sums}


def _gather(parts: Sequence[tuple[Ints, Floats]]) -> tuple[Ints, Floats]:
    if not parts:
        return np.zeros(0, np.int64), np.zeros((0, 2))
    return _add_up(np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]))


def _add_up(key: Ints, sums: Floats) -> tuple[Ints, Floats]:
    """Distinct keys, ascending, and the sums of their rows."""
    distinct, place = np.unique(key, return_inverse=True)
    added = [weighted_counts(place, column, distinct.size) for column in sums.T]
    return distinct, np.stack(added, axis=1)


def _count_exact(batches: Iterable[tuple[Floats, Ints]]) -> dict[str, npt.NDArray[Any]]:
    parts = list(batches)
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


def check_scores(
    method: str,
    partials: Sequence[Partial],
    grid: Grid,
    strata: int,
    rows: int,
    *,
    losses: bool,
    besides: Mapping[str, Wanted] | None = None,
) -> None:
    """Hold the arrays of `count_scores`, and what lies `besides`, against what they must be.

    Raises:
        ChildFailed: they are something else, or count other rows than there are.
    """
    wanted = {**(besides or {}), "stratum": whole("entries", top=strata)}
    if grid.exact:
        wanted |= {"score": floats("entries", low=-_LARGEST, high=_LARGEST)}
        wanted |= {"count": counted("entries", rows=rows, least=1)}
    else:
        wanted |= {"cell": whole("entries", top=grid.bins)}
        wanted |= {"sums": floats("entries", 6 if losses else 2, low=-_LARGEST, high=_LARGEST)}
    check_arrays(method, partials, wanted, entries=rows)
    if not grid.exact:
        count = np.concatenate([partial.arrays["sums"][:, 0] for partial in partials])
        if (count < 1).any() or (count != np.rint(count)).any() or count.sum() != rows:
            raise ChildFailed(f"What the child counted for {method} are not the {rows:,} rows.")


def merge_scores(
    parts: Sequence[Mapping[str, npt.NDArray[Any]]],
    grid: Grid,
    positive: Callable[[Ints], npt.NDArray[np.bool_]] | None,
) -> ScoreCells:
    """Add up the arrays of all shards; counts are exact whatever the sharding."""
    major = np.concatenate([part["score" if grid.exact else "cell"] for part in parts])
    stratum = np.concatenate([part["stratum"] for part in parts]).astype(np.int64)
    first, order = _runs(major, stratum)
    major, stratum = major[order][first], stratum[order][first]
    values, cell = np.unique(major, return_inverse=True)
    cell = cell.astype(np.int64)
    if grid.exact:
        count = np.add.reduceat(np.concatenate([part["count"] for part in parts])[order], first)
        scores = values.astype(np.float64)
        losses = None
        if positive is not None:
            losses = loss_terms(scores[cell], positive(stratum)) * count[:, None]
        return ScoreCells(grid, scores, cell, stratum, count, scores[cell] * count, losses)
    sums = np.add.reduceat(np.concatenate([part["sums"] for part in parts])[order], first, axis=0)
    scores = weighted_counts(cell, sums[:, 1], values.size) / weighted_counts(cell, sums[:, 0], values.size)
    count = sums[:, 0].astype(np.int64)
    return ScoreCells(
        grid, scores, cell, stratum, count, sums[:, 1], sums[:, 2:] if positive is not None else None
    )
