"""What would settle an undecided rule: which group needs more rows, and about how many.

"If the rates stay": the same successes per row, only more rows. Numbers are for planning a data
collection, so they are rough by nature.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from assay.contracts import Measure, MeasureSpec, PairUndecided
from assay.policy.groups import group_label, other_side
from assay.policy.reading import Bounds, Item
from assay.stats.settle import (
    rows_to_settle_difference,
    rows_to_settle_general,
    rows_to_settle_rate,
    rows_to_settle_ratio,
)

__all__ = ["GroupRates", "settle"]


@dataclass(frozen=True)
class GroupRates:
    """The rates behind the pairs of one attribute, by group label."""

    by_label: dict[str, Measure]
    rows: dict[str, int]
    """All rows of a group: the largest n of any measure of it. A rate counts only some of them
    (the true positive rate those with a favourable label)."""

    @classmethod
    def of_attribute(cls, measures: Iterable[Measure], rate: str | None, names: frozenset[str], over: str | None) -> GroupRates:
        """Rates with the id `rate` of the groups formed by the attributes `names`."""
        by_label: dict[str, Measure] = {}
        rows: dict[str, int] = {}
        for measure in measures:
            if measure.over is not None or frozenset(measure.slice) != names:
                continue
            label = group_label(measure.slice, over)
            rows[label] = max(rows.get(label, 0), measure.n)
            if measure.id == rate:
                by_label[label] = measure
        return cls(by_label, rows)


def settle(item: Item, spec: MeasureSpec, limit: Bounds, groups: GroupRates, family: int) -> PairUndecided:
    """The rows that would decide `item`, and of which group.

    For a pair of rates the smaller group grows first, since that is the cheaper collection; where the
    other group's share of the uncertainty is too large for that, both grow and the group reads
    "each of A and B". A pair of other values (AUC) follows the rule that half-widths fall with the
    square root of the rows. Null rows: no number would, as when the value lies on the limit.
    """
    measure = item.measure
    against = other_side(measure)
    if against is None:
        return _settle_single(item, limit, groups, family)
    label = group_label(measure.slice, measure.over)
    first, second = groups.by_label.get(label), groups.by_label.get(against)
    if measure.value is None or first is None or second is None:
        smaller = label if first is None or (second is not None and first.n <= second.n) else against
        return PairUndecided(slice=measure.slice, against=against, rows_needed=None, group=smaller)
    small, small_label, large, large_label = first, label, second, against
    if second.n < first.n:
        small, small_label, large, large_label = second, against, first, label
    level = measure.level or 0.95
    if not _counted(first) or not _counted(second):
        needed = _whole(
            rows_to_settle_general(measure.value, item.low, item.high, measure.n, limit.low, limit.high)
        )
        return PairUndecided(
            slice=measure.slice, against=against, rows_needed=needed, group=f"{label} and {against} together"
        )
    rows_to_settle = rows_to_settle_ratio if spec.unit == "ratio" else rows_to_settle_difference
    for grow in (1, 2):
        found = rows_to_settle(
            small.numerator or 0,
            small.denominator or 0,
            large.numerator or 0,
            large.denominator or 0,
            limit.low,
            limit.high,
            level,
            family,
            grow=grow,
        )
        if found is not None:
            both = grow == 2
            name = f"each of {small_label} and {large_label}" if both else small_label
            needed = max(
                _in_rows(found, rate, groups.rows.get(who, rate.n))
                for rate, who in ((small, small_label), (large, large_label))[: 2 if both else 1]
            )
            return PairUndecided(slice=measure.slice, against=against, rows_needed=needed, group=name)
    return PairUndecided(slice=measure.slice, against=against, rows_needed=None, group=small_label)
