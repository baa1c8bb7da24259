"""Which measure of one run answers to which of another."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from assay.contracts import Evidence, Measure, Pillar
from assay.evidence import measure_key
from assay.policy.checking import pillar_of
from assay.policy.groups import other_side, pair_identity

__all__ = ["Sameness", "by_identity", "identity", "same_hardware", "same_predictions"]


def identity(measure: Measure) -> Hashable:
    """The measure's key; for a pair the same whichever group is named first, as its sign may turn."""
    return measure_key(measure) if other_side(measure) is None else pair_identity(measure)


def by_identity(measures: Iterable[Measure]) -> dict[Hashable, Measure]:
    """Identity -> measure."""
    return {identity(measure): measure for measure in measures}


_OF_PREDICTIONS: frozenset[Pillar] = frozenset({"performance", "fairness", "data_quality"})
"""Pillars whose measures are functions of the data and the predictions alone."""


@dataclass(frozen=True)
class Sameness:
    """What two runs share, so that a change needs no interval, or cannot be told from the machine's.

    Attributes:
        predictions: both read the same predictions of the same rows.
        hardware: both ran on machines of one class.
    """

    predictions: bool
    hardware: bool

    @staticmethod
    def of(before: Evidence, after: Evidence) -> Sameness:
        return Sameness(same_predictions(before, after), same_hardware(before, after))

    def exact(self, measure: Measure) -> bool:
        """Whether the measure is a function of what both runs share."""
        return self.predictions and not measure.volatile and pillar_of(measure.id) in _OF_PREDICTIONS

    def foreign(self, measure: Measure) -> bool:
        """Whether its change would say more about the machines than about the models."""
        return measure.volatile and not self.hardware


def same_hardware(before: Evidence, after: Evidence) -> bool:
    """Whether both manifests name the same machine, cores, memory and accelerator."""
    return before.manifest.hardware == after.manifest.hardware


def same_predictions(before: Evidence, after: Evidence) -> bool:
    """Whether both runs have the same predictions of the same files, in the same parts.

    That is so where both were supplied with the same file, and where the same model was asked about it.
    """
    a, b = before.subject, after.subject
    files = [{d.role: d.sha256 for d in subject.datasets} for subject in (a, b)]
    if files[0] != files[1] or a.roles != b.roles or a.signature != b.signature or a.grade != b.grade:
        return False
    if a.grade == "supplied":
        return True
    return a.model is not None and b.model is not None and a.model.sha256 == b.model.sha256
