"""Which measure of one run answers to which of another."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from assay.contracts import Evidence, Measure
from assay.evidence import measure_key
from assay.policy.groups import other_side, pair_identity

__all__ = ["by_identity", "identity", "same_predictions"]


def identity(measure: Measure) -> Hashable:
    """The measure's key; for a pair the same whichever group is named first, as its sign may turn."""
    return measure_key(measure) if other_side(measure) is None else pair_identity(measure)


def by_identity(measures: Iterable[Measure]) -> dict[Hashable, Measure]:
    """Identity -> measure."""
    return {identity(measure): measure for measure in measures}


def same_predictions(before: Evidence, after: Evidence) -> bool:
    """Whether both runs read the same files with the same columns in the same parts.

    Every measure of supplied predictions is then a function of the same numbers.
    """
    a, b = before.subject, after.subject
    files = [{d.role: d.sha256 for d in subject.datasets} for subject in (a, b)]
    supplied = a.grade == b.grade == "supplied"
    return supplied and files[0] == files[1] and a.roles == b.roles and a.signature == b.signature
