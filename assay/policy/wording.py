"""Verdicts in words: limits, numbers and one plain sentence for a reader who is no statistician."""

from __future__ import annotations

import math
from collections.abc import Sequence

from assay.contracts import Limits, Measure, MeasureSpec, PairUndecided
from assay.policy.groups import at_without_pair, attributes, group_label, other_side
from assay.policy.reading import Bounds, Item, is_exact

__all__ = [
    "decided_sentence",
    "limit_text",
    "number",
    "settle_clause",
    "subject_of",
    "target_text",
    "undecided_sentence",
]

TOGETHER = " together"
"""Ends the name of two groups that must both grow."""
_MOST_NAMED = 3


def number(value: float, unit: str, near: Sequence[float] = ()) -> str:
    """A value for reading: counts whole, others with two decimals, with more where two would mislead.

    Two decimals mislead when they show 0 for something, or show a limit in `near` that was not met.
    """
    if math.isinf(value):
        return "−∞" if value < 0 else "∞"
    if unit == "count" and float(value).is_integer():
        return _signed(f"{value:,.0f}")
    decimals = 2
    while decimals < 6 and (
        (value and not float(f"{value:.{decimals}f}"))
        or any(value != edge and f"{value:.{decimals}f}" == f"{edge:.{decimals}f}" for edge in near)
    ):
        decimals += 1
    return _signed(f"{value:,.{decimals}f}")


def limit_text(limits: Limits, unit: str) -> str:
    """The limit with its sign: "≥ 0.80", "≤ 0.10", "0.80 to 1.20"."""
    return _side_text(limits.minimum, limits.maximum, unit)


def target_text(limits: Limits, unit: str) -> str:
    """The target in the form of `limit_text`; the limit's side where the target has none."""
    minimum = limits.minimum if limits.target_minimum is None else limits.target_minimum
    maximum = limits.maximum if limits.target_maximum is None else limits.target_maximum
    return _side_text(minimum, maximum, unit)


def subject_of(measure: Measure) -> str:
    """What is quoted: "Female / Male" (ratio), "Male − Female" (difference), "Female", "all rows".

    A fact about an attribute as a whole, such as its smallest group, is about all rows.
    """
    label = group_label(measure.slice, measure.over) if measure.slice else ""
    against = other_side(measure)
    if against is not None:
        label = f"{label} {'/' if measure.unit == 'ratio' else '−'} {against}"
    label = label or "all rows"
    setting = ", ".join(f"{key} {value}" for key, value in at_without_pair(measure))
    return f"{label} ({setting})" if setting else label


def decided_sentence(
    spec: MeasureSpec, limits: Limits, limit: Bounds, items: Sequence[Item], quoted: Item
) -> str:
    """Says that a rule passed, warned or failed, with the numbers that decided it."""
    text, many = limit_text(limits, spec.unit), len(items) > 1
    quote = _quote(spec, quoted, limit)
    if quoted.reading == "pass":
        if many:
            return f"All {len(items)} {_things(quoted)} clear the limit {text}; the tightest: {quote}."
        return f"{quote}{_wholly(quoted, 'lies', 'inside')} the limit {text}."
    if quoted.reading == "warn":
        warned = sum(item.reading == "warn" for item in items)
        counted = f" {warned} of {len(items)} {_things(quoted)} do so." if many else ""
        target = target_text(limits, spec.unit)
        not_wholly = "not" if is_exact(quoted.measure) else "not wholly"
        comma = "" if is_exact(quoted.measure) else ","
        return (
            f"{quote}{comma} is inside the limit {text} but {not_wholly} inside the target {target}.{counted}"
        )
    below = quoted.high < limit.low
    edge = number(limit.low if below else limit.high, spec.unit)
    counted = ""
    if many:
        failed = sum(item.reading == "fail" for item in items)
        open_ones = sum(item.reading == "insufficient" for item in items)
        left = f", {open_ones} undecided" if open_ones else ""
        counted = f" {failed} of {len(items)} {_things(quoted)} failed{left}."
    return f"{quote}{_wholly(quoted, 'is', 'below' if below else 'above')} the limit {edge}.{counted}"


def undecided_sentence(
    spec: MeasureSpec,
    limits: Limits,
    limit: Bounds,
    items: Sequence[Item],
    quoted: Item | None,
    undecided: Sequence[PairUndecided],
) -> str:
    """Says what the rows at hand cannot decide, and how many more would."""
    total = max(len(items), len(undecided))
    settle = settle_clause(undecided, unknown=quoted is not None and quoted.measure.unknown is not None)
    if quoted is None or quoted.measure.value is None:
        note = next((item.measure.note for item in items if item.measure.note), None)
        reason = f" ({note})" if note else ""
        things = _things(items[0]) if items else "groups"
        if total <= 1:
            whom = f", {subject_of(items[0].measure)}," if items else ""
            return f"{spec.title}{whom} could not be measured{reason}."
        return f"None of {total} {things} could be measured{reason}."
    quote = _quote(spec, quoted, limit)
    if total == 1:
        return f"{quote}, does not settle the limit {limit_text(limits, spec.unit)}{settle}."
    return f"{len(undecided)} of {total} {_things(quoted)} undecided{settle}. The most doubtful: {quote}."


def settle_clause(undecided: Sequence[PairUndecided], *, unknown: bool = False) -> str:
    """ ": about 240 more rows of "Other, Female" would settle them", the largest need of each group.

    `unknown`: the group of some rows is not known, and that alone may leave it open.
    """
    needs: dict[str | None, int] = {}
    for entry in undecided:
        if entry.rows_needed is not None:
            needs[entry.group] = max(needs.get(entry.group, 0), entry.rows_needed)
    if not needs and unknown:
        return "; only knowing the group of those rows would settle it, or rates further from the limit"
    if not needs:
        return "; while the rates stay as they are, no number of further rows would settle it"
    ranked = sorted(needs.items(), key=lambda need: (need[1], need[0] or ""))
    named = [f"about {_rounded_up(rows)} more rows{_of(group)}" for group, rows in ranked[:_MOST_NAMED]]
    further = len(ranked) - len(named)
    if further > 0:
        named.append(f"more for {further} {'other' if further == 1 else 'others'}")
    listed = " and ".join([", ".join(named[:-1]), named[-1]]) if len(named) > 1 else named[0]
    settled = sum(entry.rows_needed is not None for entry in undecided)
    whom = "it" if len(undecided) == 1 else "them" if settled == len(undecided) else f"{settled} of them"
    return f": {listed} would settle {whom}"


def _of(group: str | None) -> str:
    if group is None:
        return ""
    return f" of {group}" if group.endswith(TOGETHER) else f' of "{group}"'


def _rounded_up(rows: int) -> str:
    """Two significant digits are all that "about" can carry."""
    step = 10 ** max(len(str(rows)) - 2, 0)
    return f"{-(-rows // step) * step:,}"


def _quote(spec: MeasureSpec, item: Item, limit: Bounds) -> str:
    measure = item.measure
    assert measure.value is not None
    edges = [edge for edge in limit if math.isfinite(edge)]
    pair = other_side(measure) is not None
    subject = subject_of(measure)
    if not measure.slice and attributes(measure) is not None:
        subject = f"{attributes(measure)}"
    lead = f"{subject}:" if pair else spec.title if subject == "all rows" else f"{spec.title}, {subject}:"
    value = number(measure.value, spec.unit, edges)
    if is_exact(measure):
        return f"{lead} {value} (exact)"
    low, high = (number(end, spec.unit, edges) for end in (item.low, item.high))
    level = f"{(measure.level or 0.95) * 100:g} %"
    return f"{lead} {value}, {level} interval {low} to {high}{_wherever(measure)}"


def _wherever(measure: Measure) -> str:
    """Says that an interval allows for rows of unknown group."""
    if measure.unknown is None:
        return ""
    rows = f"{measure.unknown.rows:,} row{'' if measure.unknown.rows == 1 else 's'}"
    return f" wherever the {rows} of unknown group belong{'s' if measure.unknown.rows == 1 else ''}"


def _wholly(item: Item, verb: str, where: str) -> str:
    """An interval lies "wholly" somewhere, a fact just does."""
    return f" {verb} {where}" if is_exact(item.measure) else f", {verb} wholly {where}"


def _things(item: Item) -> str:
    if other_side(item.measure) is not None:
        return "pairs"
    return "columns" if set(item.measure.slice) == {"column"} else "groups"


def _side_text(minimum: float | None, maximum: float | None, unit: str) -> str:
    if minimum is not None and maximum is not None:
        return f"{_edge(minimum, unit)} to {_edge(maximum, unit)}"
    if minimum is not None:
        return f"≥ {_edge(minimum, unit)}"
    assert maximum is not None
    return f"≤ {_edge(maximum, unit)}"


def _edge(value: float, unit: str) -> str:
    """A limit is printed whole: two decimals, or as many as it was written with."""
    if unit == "count" and value.is_integer():
        return _signed(f"{value:,.0f}")
    return _signed(f"{value:.2f}" if round(value, 2) == value else f"{value:.12g}")


def _signed(text: str) -> str:
    return text.replace("-", "−")
