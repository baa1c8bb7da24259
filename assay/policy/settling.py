"""What would settle an undecided rule: which group needs more rows, and about how many.

"If the rates stay": the same successes per row, only more rows. Numbers are for planning a data
collection, so they are rough by nature.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from assay.contracts import Measure, MeasureSpec, PairUndecided
from assay.policy.checking import pillar_of
from assay.policy.groups import at_without_pair, group_label, other_side
from assay.policy.reading import Bounds, Item, is_binomial
from assay.policy.wording import TOGETHER
from assay.stats.multiplicity import bonferroni_level
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
    """All rows of a group: the largest n of any measure of it in the pillar of `like`. A rate counts only
    some of them (the true positive rate those with a favourable label)."""

    @classmethod
    def among(cls, measures: Iterable[Measure], rate: str | None, like: Measure) -> GroupRates:
        """Measures with the id `rate` of the groups and the setting that `like` is about."""
        names, at, pillar = frozenset(like.slice), at_without_pair(like), pillar_of(like.id)
        by_label: dict[str, Measure] = {}
        rows: dict[str, int] = {}
        for measure in measures:
            if measure.over is not None or frozenset(measure.slice) != names:
                continue
            # a group's share of the table is a fact about the table: its n is not the group's
            if pillar_of(measure.id) != pillar:
                continue
            label = group_label(measure.slice, like.over)
            rows[label] = max(rows.get(label, 0), measure.n)
            if measure.id == rate and at_without_pair(measure) == at:
                by_label[label] = measure
        return cls(by_label, rows)


def settle(
    item: Item,
    spec: MeasureSpec,
    limit: Bounds,
    groups: GroupRates,
    family: int,
    *,
    one_group: bool = True,
) -> PairUndecided:
    """The rows that would decide `item`, and of which group.

    For a pair of rates the smaller group grows first, since that is the cheaper collection. Where the
    other group's share of the uncertainty is too large for that, both grow in proportion and the group
    reads "A and B together". A value that is no rate (AUC, calibration error) or whose interval is not
    the score interval of its counts (clustered rows) follows the general rule that half-widths fall
    with the square root of the rows. Null rows: no number would, as when the value lies on the limit.

    Args:
        family: how many intervals hold together.
        one_group: search for the rows of one group alone, which takes milliseconds a pair.
    """
    measure = item.measure
    against = other_side(measure)
    if measure.unknown is not None and not _rows_would_do(measure, limit):
        return PairUndecided(slice=measure.slice, against=against, rows_needed=None, group=None)
    if against is None:
        group = group_label(measure.slice, measure.over) if measure.slice else None
        needed = _in_rows(_single(item, limit, family), measure, groups.rows.get(group or "", measure.n))
        return PairUndecided(slice=measure.slice, against=None, rows_needed=needed, group=group)
    label = group_label(measure.slice, measure.over)
    first, second = groups.by_label.get(label), groups.by_label.get(against)
    if first is None or second is None:
        needed, name = _general(item, spec, limit), f"{label} and {against}{TOGETHER}"
        return PairUndecided(slice=measure.slice, against=against, rows_needed=needed, group=name)
    small, name = (first, label) if first.n <= second.n else (second, against)
    needed = None
    if one_group and measure.value is not None:
        needed = _one_group(measure, first, second, spec, limit, family)
    needed = _in_rows(needed, small, groups.rows.get(name, small.n))
    if needed is None and (both := _general(item, spec, limit)) is not None:
        rows = sum(groups.rows.get(side, 0) for side in (label, against))
        needed = -(-both * max(rows, measure.n) // max(measure.n, 1))
        name = f"{label} and {against}{TOGETHER}"
    return PairUndecided(slice=measure.slice, against=against, rows_needed=needed, group=name)


def _rows_would_do(measure: Measure, limit: Bounds) -> bool:
    """Whether the bounds under unknown groups leave the limit on one side: else only groups would help."""
    assert measure.unknown is not None
    low = -math.inf if measure.unknown.low is None else measure.unknown.low
    high = math.inf if measure.unknown.high is None else measure.unknown.high
    return limit.holds(low, high) or limit.misses(low, high)


def _single(item: Item, limit: Bounds, family: int) -> int | None:
    measure = item.measure
    if measure.value is None:
        return None
    needed = None
    if is_binomial(measure):
        level = bonferroni_level(measure.level or 0.95, family)
        x, n = measure.numerator or 0, measure.denominator or 0
        needed = rows_to_settle_rate(x, n, limit.low, limit.high, level)
    return needed or rows_to_settle_general(
        measure.value, item.low, item.high, measure.n, limit.low, limit.high
    )


def _one_group(
    measure: Measure, first: Measure, second: Measure, spec: MeasureSpec, limit: Bounds, family: int
) -> int | None:
    """More counted rows of the smaller group alone; null when that would not do."""
    if not is_binomial(first) or not is_binomial(second):
        return None
    search = rows_to_settle_ratio if spec.unit == "ratio" else rows_to_settle_difference
    needed = search(
        first.numerator or 0,
        first.denominator or 0,
        second.numerator or 0,
        second.denominator or 0,
        limit.low,
        limit.high,
        measure.level or 0.95,
        family,
        grow=1 if first.n <= second.n else 2,
    )
    # 0 says that the counts alone would decide, so the measure's own interval was made differently
    return needed or None


def _general(item: Item, spec: MeasureSpec, limit: Bounds) -> int | None:
    """Both groups grown in proportion, on the scale where the unit is even."""
    value = item.measure.value
    if value is None:
        return None
    ends = [value, item.low, item.high, limit.low, limit.high]
    if spec.unit == "ratio":
        if min(ends) <= 0:
            return None
        ends = [math.log(end) for end in ends]
    return rows_to_settle_general(ends[0], ends[1], ends[2], item.measure.n, ends[3], ends[4])


def _in_rows(counted: int | None, rate: Measure, rows: int) -> int | None:
    """Rows that must come for `counted` of them to count in the rate, at the group's present mix."""
    if counted is None or rate.n == 0:
        return counted
    return -(-counted * max(rows, rate.n) // rate.n)
