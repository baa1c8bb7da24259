"""Which measure of one run answers to which of another."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from assay.contracts import Evidence, Measure, Pillar
from assay.evidence import measure_key
from assay.policy.checking import pillar_of
from assay.policy.groups import other_side, pair_identity

__all__ = ["Sameness", "by_identity", "identity", "same_hardware", "same_model", "same_predictions"]


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
        predictions: both have the same predictions of the same rows.
        model: both asked the same model.
        fixed: measures of deterministic methods where both also had the same plan: then they are the same
            calculation.
        hardware: both ran on machines of one class.
    """

    predictions: bool
    model: bool
    fixed: frozenset[str]
    hardware: bool

    @staticmethod
    def of(before: Evidence, after: Evidence) -> Sameness:
        same_plan = before.plan.plan_sha256 == after.plan.plan_sha256
        return Sameness(
            predictions=same_predictions(before, after),
            model=same_model(before, after),
            fixed=frozenset(
                spec.id
                for method in after.methods
                if same_plan and method.deterministic
                for spec in method.measures
            ),
            hardware=same_hardware(before, after),
        )

    def exact(self, measure: Measure) -> bool:
        """Whether the measure is a function of what both runs share."""
        if not self.predictions or measure.volatile:
            return False
        if measure.grade == "supplied":
            return True
        return self.model and (pillar_of(measure.id) in _OF_PREDICTIONS or measure.id in self.fixed)

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
    return same_model(before, after)


def same_model(before: Evidence, after: Evidence) -> bool:
    """Whether both runs asked one model: the same files, or an address that gave steady, equal answers.

    An address is no model: what answers there may change, and need not answer twice alike.
    """
    a, b = before.subject.model, after.subject.model
    if a is None or b is None or a.sha256 != b.sha256:
        return False
    if a.endpoint is None and b.endpoint is None:
        return True
    canaries = [run.endpoint.canary if run.endpoint is not None else None for run in (before, after)]
    steady = all(c is not None and not c.changed and not c.tolerance for c in canaries)
    return steady and len({c.first for c in canaries if c is not None}) == 1
