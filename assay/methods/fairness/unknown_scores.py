"""What rows of unknown group could make of the scores of each group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.contracts import UnknownGroup
from assay.methods.fairness.score_groups import Coding, GroupScores
from assay.methods.fairness.unknown_rows import WIDENED
from assay.methods.score_cells import ScoreCells
from assay.methods.score_sample import Estimated
from assay.stats.membership_scores import area_ends, calibration_error_ends, mean_ends

Ints = npt.NDArray[np.int64]

__all__ = ["UnknownScores", "compared", "unknown_scores", "widened"]

_WORK = 50_000_000
"""Cells looked at in all for the areas; fewer thresholds are tried where there are many groups or scores."""
_FEWEST_STEPS, _MOST_STEPS = 16, 512


@dataclass(frozen=True)
class UnknownScores:
    """Rows of unknown group of one attribute or intersection, and the bounds that they leave."""

    groups: GroupScores
    cells: ScoreCells
    positive: npt.NDArray[np.bool_]
    """Of each entry."""

    def area(self, g: int, needed: int) -> UnknownGroup | None:
        if not len(self.groups.possible[g]) or min(self.groups.samples[g].class_rows) < needed:
            return None
        work = len(self.cells.scores) * max(len(self.groups.samples), 1)
        steps = max(_FEWEST_STEPS, min(_MOST_STEPS, _WORK // max(work, 1)))
        negatives, positives = self._by_class(self.groups.members[g])
        maybe_negatives, maybe_positives = self._by_class(self.groups.possible[g])
        return self._said(g, *area_ends(negatives, positives, maybe_negatives, maybe_positives, steps))

    def brier(self, g: int) -> UnknownGroup | None:
        some, proper = self.groups.possible[g], self.groups.samples[g].proper
        if not len(some) or proper is None or self.cells.losses is None:
            return None
        terms = float(proper.brier.sum()), int(proper.n.sum())
        return self._said(g, *mean_ends(*terms, self.cells.losses[some, 0], self.cells.count[some]))

    def calibration(self, g: int, error: float) -> UnknownGroup | None:
        some = self.groups.possible[g]
        if not len(some):
            return None
        count, total = self.cells.count[some], self.cells.score_sum[some]
        gaps = np.where(self.positive[some], count - total, total)
        return self._said(g, *calibration_error_ends(error, self.groups.samples[g].rows, gaps, count))

    def _by_class(self, entries: Ints) -> tuple[Ints, Ints]:
        """Rows of the entries at each score: negatives, positives."""
        cell, count = self.cells.cell[entries], self.cells.count[entries]
        hit = self.positive[entries]
        cells = len(self.cells.scores)
        negatives, positives = (np.bincount(cell[of], count[of], cells) for of in (~hit, hit))
        return negatives.astype(np.int64), positives.astype(np.int64)

    def _said(self, g: int, low: float, high: float) -> UnknownGroup:
        return UnknownGroup(
            rows=int(self.cells.count[self.groups.possible[g]].sum()),
            share=self.groups.left_out / int(self.cells.count.sum()),
            low=low,
            high=high,
        )


def unknown_scores(groups: GroupScores, cells: ScoreCells, coding: Coding) -> UnknownScores:
    """The unknown rows of one attribute or intersection."""
    return UnknownScores(groups, cells, coding.positive(cells.stratum))


def widened(found: Estimated, unknown: UnknownGroup | None) -> Estimated:
    """The estimate with the sampling error of the known rows added to both bounds."""
    if found.value is None or unknown is None or found.low is None or found.high is None:
        return found
    low = found.low - found.value + min(unknown.low or 0.0, found.value)
    high = found.high - found.value + max(unknown.high or 0.0, found.value)
    return found._replace(
        low=max(low, 0.0), high=min(high, 1.0), interval_method=f"{found.interval_method}{WIDENED}"
    )


def compared(
    first: UnknownGroup | None, second: UnknownGroup | None, one: float, other: float
) -> UnknownGroup | None:
    """Bounds of the difference of two groups' values, where some row may belong to either."""
    if first is None and second is None:
        return None
    low_one, high_one = (one, one) if first is None else (first.low or 0.0, first.high or 0.0)
    low_other, high_other = (other, other) if second is None else (second.low or 0.0, second.high or 0.0)
    rows = [each for each in (first, second) if each is not None]
    return UnknownGroup(
        rows=max(each.rows for each in rows),
        share=rows[0].share,
        low=min(low_one - high_other, one - other),
        high=max(high_one - low_other, one - other),
    )
