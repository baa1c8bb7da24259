"""All pairs of groups of a value that is no binomial rate: AUC, calibration error.

Each group brings its own limits; a pair squares and adds them, so that a limit near 0 or 1 keeps its
skew where a normal interval of the difference would miss on one side.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from assay.stats.pairwise import PairTable

__all__ = ["decisive_pairs", "lone_pairs", "pair_differences"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def pair_differences(
    values: Floats, low: Floats, high: Floats, n: Ints, correlation: Floats | float = 0.0
) -> PairTable:
    """Differences of all pairs of groups, higher minus lower, from the limits of each group.

    With d = value1 - value2, limits (l1, h1), (l2, h2) and correlation r of the two estimates:
        lower = d - sqrt((value1 - l1)^2 + (h2 - value2)^2 - 2 r (value1 - l1) (h2 - value2)),
        upper = d + sqrt((h1 - value1)^2 + (value2 - l2)^2 - 2 r (h1 - value1) (value2 - l2)).
    r = -1 adds the limits up, which holds whatever the dependence.

    Args:
        values, low, high: shape (groups,), limits at level 1 - (1 - level) / pairs so that all pairs
            hold together; a NaN value takes its group out.
        n: rows of each group. correlation: shape (groups, groups), or one number for all pairs.

    Source: Zou & Donner 2008; Zou 2008 (dependent estimates).
    """
    usable = np.flatnonzero(np.isfinite(values))
    left, right = np.triu_indices(usable.size, 1)
    a, b = usable[left], usable[right]
    swap = values[b] > values[a]
    first, second = np.where(swap, b, a), np.where(swap, a, b)
    together = np.broadcast_to(correlation, (values.size, values.size))[first, second]
    difference = values[first] - values[second]

    def reach(one: Floats, other: Floats) -> Floats:
        return np.sqrt(np.maximum(one**2 + other**2 - 2 * together * one * other, 0))

    down = reach(values[first] - low[first], high[second] - values[second])
    up = reach(high[first] - values[first], values[second] - low[second])
    return PairTable(
        first,
        second,
        difference,
        difference - down,
        difference + up,
        n[first] + n[second],
        max(first.size, 1),
    )


def lone_pairs(values: Floats, n: Ints) -> Iterator[tuple[int, int]]:
    """Each group without a value, with the largest other group: the pair that shows it as undecided."""
    by_size = np.argsort(-n, kind="stable")
    seen: set[frozenset[int]] = set()
    for group in np.flatnonzero(~np.isfinite(values)):
        other = next((int(o) for o in by_size if o != group), None)
        if other is None or frozenset((int(group), other)) in seen:
            continue
        seen.add(frozenset((int(group), other)))
        yield int(group), other


def decisive_pairs(table: PairTable, most: int) -> Ints:
    """Indices of the pairs to list: all, or of too many those furthest by lower end, upper end and value."""
    if len(table) <= most:
        return np.arange(len(table))
    kept = np.zeros(0, np.int64)
    for bound in (table.low, table.high, table.value):
        kept = np.union1d(kept, np.argsort(-bound, kind="stable")[: max(1, most // 3)])
    return kept
