"""The scale on which a measure is compared: as it is, by its distance from parity, or folded at 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import Limits, MeasureSpec

__all__ = ["Combination", "Merit", "PairedChange", "change_on_scale", "merit_of"]

Combination = Callable[[int, int], tuple[float, float]]
"""(piece of B, piece of A) -> limits of the one less the other."""

_FARTHEST = 1e6
"""A ratio to a rate of 0 in a resample counts as this, so that differences of ratios stay defined."""


class Merit(NamedTuple):
    """On which scale a measure is compared, and which way is better there."""

    better: Literal[1, -1]
    parity: float | None = None
    """Where given, what counts is the distance |x - parity|."""
    folded: bool = False
    """A ratio r counts as min(r, 1/r), its closeness to 1, so that it reads the same both ways round."""

    def pieces(self, values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], ...]:
        """The linear pieces of which the scale is the largest (or, folded, the smallest)."""
        if self.folded:
            with np.errstate(divide="ignore"):
                inverse = np.minimum(1 / values, _FARTHEST)
            return np.minimum(values, _FARTHEST), inverse
        if self.parity is None:
            return (values,)
        return values - self.parity, self.parity - values

    def of(self, value: float) -> float:
        """One value on the scale."""
        pieces = [float(piece) for piece in self.pieces(np.asarray(value, dtype=float))]
        return min(pieces) if self.folded else max(pieces)


class PairedChange(NamedTuple):
    """A change measured on the same rows, on the scale of a merit."""

    before: float
    after: float
    low: float
    high: float
    method: str
    note: str | None = None


def change_on_scale(merit: Merit, combination: Combination) -> tuple[float, float]:
    """Limits of B - A on the merit's scale from limits of the differences of its pieces.

    A distance is the larger of two signed gaps, so the change of a distance is
    max over pieces of B of min over pieces of A of their difference, and since that is monotone in every
    difference, its limits are the same of their limits. Folded ratios are the smaller piece: min of max.
    So a gap near 0, whose sign is not sure, gets an interval that holds whichever sign it has. Besides, no
    distance (and no folded ratio) can change by more than what it is a distance of, and a folded ratio, which
    lies between 0 and 1, by no more than 1.
    """
    pieces = range(1 if merit.parity is None and not merit.folded else 2)
    limits = [[combination(s, t) for t in pieces] for s in pieces]
    outer, inner = (min, max) if merit.folded else (max, min)
    low, high = (outer(inner(c[end] for c in row) for row in limits) for end in (0, 1))
    if len(pieces) == 1:
        return low, high
    most = min(max(abs(end) for end in limits[k][k]) for k in pieces)
    if merit.folded:
        most = min(most, 1.0)
    return max(low, -most), min(high, most)


def merit_of(spec: MeasureSpec, limits: Limits | None = None) -> Merit | None:
    """The scale of a measure; null when neither side is better.

    `higher` and `lower` are compared as they are. `even` differences count by |d|, pairwise ratios by
    min(r, 1/r) = exp(-|log r|), other even measures by their distance from 0 (ratios and slopes from
    1). With direction `none`, the limits of the rule that quotes the measure say what is wanted: a
    lone minimum means higher, a lone maximum lower, a band the distance from its middle.
    """
    if spec.direction == "higher":
        return Merit(1)
    if spec.direction == "lower":
        return Merit(-1)
    if spec.direction == "even":
        if spec.unit == "ratio" and spec.judging == "pairs":
            return Merit(1, folded=True)
        return Merit(-1, parity=1.0 if spec.unit == "ratio" or spec.id.endswith("_slope") else 0.0)
    if limits is not None and limits.minimum is not None and limits.maximum is not None:
        return Merit(-1, parity=(limits.minimum + limits.maximum) / 2)
    if limits is None:
        return None
    return Merit(1) if limits.minimum is not None else Merit(-1)
