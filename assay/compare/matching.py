"""Which measure of one run answers to which of another."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
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


OTHER_HARDWARE = "Measured on other hardware: shown, not judged."
OTHER_PACE = "The machine itself was {how} in the later run, by a fixed computation"
UNKNOWN_PACE = "Nothing tells whether the machine was as fast in both runs: shown, not judged."
_YARDSTICK = "cost.yardstick"
_SAME_PACE = 1.25
"""As timings of the same work on the same machine differ (`default_tolerance`)."""
_OF_MEANS = frozenset(
    f"cost.{name}"
    for name in (
        *("latency", "latency_maximum", "throughput", "token_throughput"),
        *("energy_per_1000", "carbon_per_1000", "price_per_1000", "training_energy"),
    )
)
"""What a slower machine moves; latencies at a percentile by that percentile of its pace."""
_OF_MEDIANS = frozenset({"cost.token_latency", "cost.cold_start"})
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
        pace: how many times as long a fixed computation took in the later run, by statistic (a percentile, or
            "mean"); empty where one of the runs did not time it.
    """

    predictions: bool
    model: bool
    fixed: frozenset[str]
    hardware: bool
    pace: Mapping[str, float]

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
            pace=_pace(before, after),
        )

    def exact(self, measure: Measure) -> bool:
        """Whether the measure is a function of what both runs share."""
        if not self.predictions or measure.volatile:
            return False
        if measure.grade == "supplied":
            return True
        return self.model and (pillar_of(measure.id) in _OF_PREDICTIONS or measure.id in self.fixed)

    def foreign(self, measure: Measure) -> str | None:
        """Why its change would say more about the machines than about the models; None where it would not."""
        if not measure.volatile:
            return None
        if not self.hardware:
            return OTHER_HARDWARE
        if measure.id not in _OF_MEANS | _OF_MEDIANS:
            return None
        statistic = str(measure.at.get("percentile", 50 if measure.id in _OF_MEDIANS else "mean"))
        if statistic not in self.pace:
            return UNKNOWN_PACE
        slower = self.pace[statistic]
        if 1 / _SAME_PACE <= slower <= _SAME_PACE:
            return None
        return f"{OTHER_PACE.format(how=_times(slower))}: shown, not judged."

    @property
    def uneven(self) -> str | None:
        """In words, how much faster or slower the machine itself was in the later run, where it was."""
        widest = max(self.pace.values(), key=lambda slower: abs(math.log(slower)), default=1.0)
        if 1 / _SAME_PACE <= widest <= _SAME_PACE:
            return None
        return OTHER_PACE.format(how=_times(widest))


def _times(slower: float) -> str:
    return f"{slower:.2g} times slower" if slower > 1 else f"{1 / slower:.2g} times faster"


def _pace(before: Evidence, after: Evidence) -> dict[str, float]:
    sizes: list[dict[str, float]] = []
    for run in (before, after):
        found = {}
        for measure in run.measures:
            if measure.id == _YARDSTICK and measure.value:
                found[str(measure.at.get("percentile", measure.at.get("statistic")))] = measure.value
        sizes.append(found)
    return {name: sizes[1][name] / sizes[0][name] for name in sizes[0] if name in sizes[1]}


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
