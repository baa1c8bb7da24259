"""Which measures one rule judges together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from assay.contracts import Measure, MeasureSpec, Rule
from assay.policy.groups import at_without_pair, attributes, group_label, matches_over, other_side
from assay.policy.reading import Bounds, Item, read
from assay.policy.settling import GroupRates

__all__ = ["Family", "families", "family_items"]


@dataclass(frozen=True)
class Family:
    """Measures of one id, attribute and setting: all pairs of "sex", say, or one lone measure."""

    over: str | None
    members: tuple[Measure, ...]
    """Those that are judged."""
    rates: GroupRates
    shown_only: tuple[str, ...] = ()
    """Groups below the rule's minimum n, sorted."""
    unmeasured_groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Groups that take part in no pair as their rate is undefined: label -> slice."""

    @cached_property
    def size(self) -> int:
        """How many intervals must hold together."""
        return max([len(self.members), *(measure.family for measure in self.members)])


def families(rule: Rule, spec: MeasureSpec, measures: Sequence[Measure]) -> tuple[Family, ...]:
    """The families that `rule` judges, in the order in which the measures came."""
    together: dict[tuple[object, ...], list[Measure]] = {}
    for measure in measures:
        if measure.id == rule.measure and _matches(rule, measure):
            key = (measure.over, frozenset(measure.slice), at_without_pair(measure))
            together.setdefault(key, []).append(measure)
    if spec.judging == "pairs":
        return tuple(_pair_family(rule, spec, members, measures) for members in together.values())
    return tuple(_single_family(rule, members, measures) for members in together.values())


def family_items(family: Family, limit: Bounds, target: Bounds | None, spec: MeasureSpec) -> tuple[Item, ...]:
    """Each member read against the limit under intervals that hold for all of them."""
    return tuple(read(measure, limit, target, spec.unit, family.size) for measure in family.members)


def _matches(rule: Rule, measure: Measure) -> bool:
    if not matches_over(rule.over, measure):
        return False
    if any(key not in measure.at or measure.at[key] != value for key, value in rule.at.items()):
        return False
    if not rule.slice or dict(measure.slice) == dict(rule.slice):
        return True
    # a pair is about both of its groups
    same_attributes = frozenset(measure.slice) == frozenset(rule.slice)
    return same_attributes and other_side(measure) == group_label(rule.slice, measure.over)


def _pair_family(
    rule: Rule, spec: MeasureSpec, members: Sequence[Measure], measures: Sequence[Measure]
) -> Family:
    over = members[0].over
    rates = GroupRates.among(measures, spec.of, members[0])
    small = {label for label, rate in rates.by_label.items() if rate.n < rule.minimum_n}
    judged, paired = [], set[str]()
    for measure in members:
        sides = {group_label(measure.slice, over), other_side(measure) or ""}
        paired |= sides
        if not sides & small and not _surely_small(measure, sides, rates, rule.minimum_n):
            judged.append(measure)
    unmeasured = {
        label: rate.slice
        for label, rate in rates.by_label.items()
        if rate.status == "insufficient" and label not in paired and label not in small
        if not rule.slice or dict(rate.slice) == dict(rule.slice)
    }
    return Family(over, tuple(judged), rates, tuple(sorted(small)), unmeasured)


def _surely_small(measure: Measure, sides: set[str], rates: GroupRates, minimum_n: int) -> bool:
    """Without the groups' own n, a pair with fewer than twice the minimum holds a group below it."""
    return not sides <= rates.by_label.keys() and measure.n < 2 * minimum_n


def _single_family(rule: Rule, members: Sequence[Measure], measures: Sequence[Measure]) -> Family:
    sliced = bool(members[0].slice)
    small = [m for m in members if sliced and m.n < rule.minimum_n]
    return Family(
        attributes(members[0]),
        tuple(m for m in members if not sliced or m.n >= rule.minimum_n),
        GroupRates.among(measures, rule.measure, members[0]),
        tuple(sorted(group_label(m.slice, m.over) for m in small)),
    )
