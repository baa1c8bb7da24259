"""Which group and which pair a measure is about, whatever the order in which they are named."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from assay.contracts import Measure

__all__ = [
    "ANY_ATTRIBUTE",
    "at_without_pair",
    "attributes",
    "group_label",
    "matches_over",
    "other_side",
    "pair_identity",
]

_TIMES = " × "
SINGLE, INTERSECTION = "*", "* × *"
ANY_ATTRIBUTE = frozenset({SINGLE, INTERSECTION})
"""What a rule's `over` may say instead of the name of an attribute."""


def group_label(group: Mapping[str, str], over: str | None = None) -> str:
    """The group's name, such as "Female" or "Black, Female", values in the order of the attributes."""
    named = over.split(_TIMES) if over else []
    order = named if sorted(named) == sorted(group) else list(group)
    return ", ".join(group[name] for name in order)


def attributes(measure: Measure) -> str | None:
    """The attribute, or intersection of attributes, whose groups the measure is about; null for all rows."""
    return measure.over or (_TIMES.join(measure.slice) if measure.slice else None)


def matches_over(wanted: tuple[str, ...] | None, measure: Measure) -> bool:
    """Whether a rule's `over` takes this measure in.

    "*" is any single attribute, "* × *" any intersection of two or more; an intersection is found
    whichever attribute is named first. Null takes any.
    """
    name = attributes(measure)
    if wanted is None:
        return True
    if name is None:
        return False
    parts = sorted(measure.slice) if measure.slice else sorted(name.split(_TIMES))
    for pattern in wanted:
        if pattern == SINGLE:
            found = len(parts) == 1
        elif pattern == INTERSECTION:
            found = len(parts) > 1
        else:
            found = pattern == name or sorted(pattern.split(_TIMES)) == parts
        if found:
            return True
    return False


def other_side(measure: Measure) -> str | None:
    """The group on the other side of a pair; null when the measure is no pair."""
    against = measure.at.get("against")
    return None if against is None else str(against)


def at_without_pair(measure: Measure) -> tuple[tuple[str, str], ...]:
    """The setting of a measure, apart from the pair that it is about."""
    return tuple(sorted((key, str(value)) for key, value in measure.at.items() if key != "against"))


def pair_identity(measure: Measure) -> Hashable:
    """The same for a pair and for the pair turned round."""
    sides = frozenset((group_label(measure.slice, measure.over), other_side(measure)))
    return (measure.id, measure.over, at_without_pair(measure), sides)
