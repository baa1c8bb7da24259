"""What rows of unknown group say of a measure: how many they are, and how far they could move it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.contracts import UnknownGroup
from assay.methods.fairness.groupings import Grouping
from assay.methods.fairness.sampling import Sampling
from assay.stats.membership import Ends, difference_ends, rate_ends, ratio_ends

__all__ = ["WIDENED", "UnknownRows", "unknown_note"]

WIDENED = ", over all placings of unknown rows"
"""Ends the name of an interval that holds those of every way of placing rows of unknown group."""


@dataclass(frozen=True)
class UnknownRows:
    """Rows of unknown group of one grouping, and the sharp bounds that they leave to its rates."""

    grouping: Grouping
    sampling: Sampling
    ends: Ends
    """Of every rate, (G, R)."""

    @classmethod
    def of(cls, grouping: Grouping, sampling: Sampling) -> UnknownRows:
        return cls(grouping, sampling, rate_ends(sampling.above, sampling.below, sampling.unplaced))

    def method(self, name: str | None, r: int, *groups: int) -> str | None:
        """The name of an interval of rate `r`, which says when unknown rows widened it."""
        return f"{name}{WIDENED}" if name is not None and self._counted(r, groups) else name

    def rate(self, g: int, r: int) -> UnknownGroup | None:
        hits, misses = (int(part[g, r]) for part in self.sampling.unplaced)
        if not hits + misses:
            return None
        low, high = float(self.ends.low[g, r]), float(self.ends.high[g, r])
        return self._said(hits + misses, low, high, hits, misses)

    def pair(self, kind: str, r: int, first: int, second: int) -> UnknownGroup | None:
        counted = self._counted(r, (first, second))
        if not counted:
            return None
        compare = ratio_ends if kind == "ratio" else difference_ends
        ends = compare(*(Ends(self.ends.low[g, r], self.ends.high[g, r]) for g in (first, second)))
        return self._said(counted, float(ends.low), float(ends.high))

    def range(self, rates: list[int], values: npt.NDArray[np.float64]) -> UnknownGroup | None:
        """Bounds of the largest of the ranges of `rates`, which the known rows give `values` (R,).

        A range is at most the best end over the worst, of two groups that have a rate or that unknown rows
        could give one; at least what no end of the groups that have one closes. One that no unknown row
        counts to is itself.
        """
        low, high, counted = 0.0, 0.0, 0
        for r in rates:
            hits, misses = (part[:, r] for part in self.sampling.unplaced)
            usable = self.sampling.usable[:, r]
            possible = np.flatnonzero(usable | (hits + misses > 0))
            if not (rows := self._counted(r, tuple(possible))):
                low, high = max(low, float(values[r])), max(high, float(values[r]))
                continue
            lows, highs = self.ends.low[:, r], self.ends.high[:, r]
            apart = highs[possible, None] - lows[None, possible]
            np.fill_diagonal(apart, -np.inf)
            low = max(low, float(lows[usable].max() - highs[usable].min()))
            high, counted = max(high, float(apart.max())), max(counted, rows)
        return self._said(counted, low, high) if counted else None

    def _counted(self, r: int, groups: tuple[int, ...]) -> int:
        """Unknown rows that count to rate `r` and may belong to one of the groups."""
        hits, misses = self.sampling.unplaced
        return int(max((hits[g, r] + misses[g, r] for g in groups), default=0))

    def _said(
        self, rows: int, low: float, high: float, hits: int | None = None, misses: int | None = None
    ) -> UnknownGroup:
        return UnknownGroup(
            rows=rows,
            share=self.grouping.unknown.sum() / (self.grouping.unknown.sum() + self.grouping.known_rows),
            low=low if math.isfinite(low) else None,
            high=high if math.isfinite(high) else None,
            hits=hits,
            misses=misses,
        )


def unknown_note(grouping: Grouping) -> str | None:
    """One sentence for the method's notes; None where every group is known."""
    unknown = int(grouping.unknown.sum())
    if not unknown:
        return None
    total = unknown + grouping.known_rows
    return (
        f"{grouping.over}: the group of {unknown:,} of {total:,} rows ({unknown / total:.2%}) is not known. "
        "Intervals and verdicts of rates, pairs and impact ratios hold wherever these rows belong; values, "
        "p-values and ranges are those of the rows whose group is known."
    )
