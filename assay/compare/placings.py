"""How far a change of groups' rates could be moved by rows whose group is not known.

Each unknown row belongs to a group or not, in both runs alike. A rate's change is (x_B - x_A) / n where both
runs count the same rows, which rises or falls with every row that joins: so it is least and greatest where,
of the rows that both runs count alike, all or none join. Where the runs count different rows, and for
ratios, each run's ends are taken by themselves. Ends of two groups are combined as if a row could lie in
both, so the bounds are outer ones. Sampling error is added as it is at its largest: among the known rows, or
with every row that may belong to a group in it.

Source: Horowitz & Manski 2000 (bounds by extreme placings).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from assay.compare.estimators import OUTSIDE, STATES, Estimate, Level, rate_estimate
from assay.compare.scales import Merit, change_on_scale
from assay.methods.fairness.unknown_rows import WIDENED

__all__ = ["placed_change", "placed_rate_estimate"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Ends = tuple[float, float]


def placed_rate_estimate(
    first: Ints,
    second: Ints,
    known: Sequence[Bools],
    maybe: Sequence[Bools],
    kind: str,
    merit: Merit,
    level: Level,
    cluster: Ints | None,
    rng: np.random.Generator,
) -> Estimate | None:
    """`rate_estimate` of one or two groups, its limits widened over every placing of the unknown rows.

    Args:
        first, second: states of the rows in both runs, shape (rows,).
        known, maybe: for each group its rows, and the unknown ones that may belong to it, shape (rows,).
    """
    groups = len(known)
    counted = (first != OUTSIDE) | (second != OUTSIDE)

    def estimate(joining: int | None) -> Estimate | None:
        group = np.full(first.size, -1, dtype=np.int64)
        if joining is not None:
            group[maybe[joining]] = joining
        for number, rows in enumerate(known):
            group[rows] = number
        return rate_estimate(first, second, group, groups, kind, merit, level, cluster, rng)

    found = estimate(None)
    joining = [g for g in range(groups) if (maybe[g] & counted).any()]
    if found is None or not joining:
        return found
    made = [each for each in (found, *map(estimate, joining)) if each is not None]
    change = [merit.of(each.second) - merit.of(each.first) for each in made]
    below = max(value - each.low for value, each in zip(change, made, strict=True))
    above = max(each.high - value for value, each in zip(change, made, strict=True))
    tables = [[_table(first, second, rows) for rows in each] for each in (known, maybe)]
    low, high = placed_change(tables[0], tables[1], kind, merit)
    return found._replace(low=low - below, high=high + above, method=f"{found.method}{WIDENED}")


def _table(first: Ints, second: Ints, rows: Bools) -> Ints:
    cells = np.bincount(first[rows] * STATES + second[rows], minlength=STATES**2)
    return cells.reshape(STATES, STATES).astype(np.int64)


def placed_change(known: Sequence[Ints], maybe: Sequence[Ints], kind: str, merit: Merit) -> Ends:
    """Outer bounds of the change on the merit's scale, without sampling error.

    Args:
        known, maybe: for each group its rows, and those that may join, by their states in both runs.
    """
    rates = [_placed(*tables) for tables in zip(known, maybe, strict=True)]
    if kind == "ratio":
        runs = [_ratio_ends(*(_ends(group[run]) for group in rates)) for run in (0, 1)]
        pieces = [[sorted(map(float, p)) for p in merit.pieces(np.array(ends))] for ends in runs]

        def of_ratios(s: int, t: int) -> Ends:
            after, before = pieces[1][s], pieces[0][t]
            return after[0] - before[1], after[1] - before[0]

        return change_on_scale(merit, of_ratios)
    alike = [_counted_alike(a + b) for a, b in zip(known, maybe, strict=True)]

    def of_rates(s: int, t: int) -> Ends:
        signs = 1 - 2 * s, 1 - 2 * t
        low = high = (signs[1] - signs[0]) * (merit.parity or 0.0)
        for number, (group, same) in enumerate(zip(rates, alike, strict=True)):
            side = -1 if number else 1  # the second group's rate is taken off
            b, a = side * signs[0] * group[1], side * signs[1] * group[0]
            if same:
                ends = _ends(b - a)
            else:
                of_b, of_a = _ends(b), _ends(a)
                ends = of_b[0] - of_a[1], of_b[1] - of_a[0]
            low, high = low + ends[0], high + ends[1]
        return low, high

    return change_on_scale(merit, of_rates)


def _placed(known: Ints, maybe: Ints) -> tuple[Floats, Floats]:
    """The group's rate in both runs for each choice of the kinds of rows that join, NaN where undefined."""
    cells = np.flatnonzero(maybe.ravel()[:-1])  # the last counts in neither run
    joins = np.array(list(product((0, 1), repeat=len(cells))), dtype=np.int64).reshape(-1, len(cells))
    tables = np.repeat(known.reshape(1, -1), len(joins), axis=0)
    tables[:, cells] += joins * maybe.ravel()[cells]
    both = []
    for axis in (2, 1):  # summed over the other run's states
        counts = tables.reshape(-1, STATES, STATES).sum(axis=axis)
        below = counts[:, :OUTSIDE].sum(axis=1)
        rate = np.full(len(counts), np.nan)
        np.divide(counts[:, 0], below, out=rate, where=below > 0)
        both.append(rate)
    return both[0], both[1]


def _counted_alike(table: Ints) -> bool:
    """Whether both runs count the same rows below the line."""
    return not table[OUTSIDE, :OUTSIDE].any() and not table[:OUTSIDE, OUTSIDE].any()


def _ends(values: Floats) -> Ends:
    return float(np.nanmin(values)), float(np.nanmax(values))


def _ratio_ends(above: Ends, below: Ends) -> Ends:
    """Of the ratio of two rates; 0 over 0 is anything."""
    low = above[0] / below[1] if below[1] > 0 else 0.0
    return low, above[1] / below[0] if below[0] > 0 else np.inf
