"""Whether a policy makes sense for the measures that exist: before a run, not after it."""

from __future__ import annotations

from collections.abc import Iterable

from assay.contracts import PILLARS, Limits, MeasureSpec, MethodSpec, Pillar, Policy
from assay.errors import BadPolicy, nearest

__all__ = ["check_policy", "measure_specs", "pillar_of"]


def check_policy(policy: Policy, specs: Iterable[MethodSpec], name: str | None = None) -> None:
    """Refuse rules on measures that do not exist or cannot be judged, and limits that cannot hold.

    Args:
        specs: all registered methods.
        name: how messages call the policy's file; default its id.

    Raises:
        BadPolicy: naming the file, the rule and what would be right.
    """
    known = measure_specs(specs)
    for rule in policy.rules:
        place = f'{name or policy.id}, rule "{rule.id}"'
        spec = known.get(rule.measure)
        if spec is None:
            close = nearest(rule.measure, known)
            hint = f" Close to it: {close}." if close else ""
            raise BadPolicy(f'{place}: no method measures "{rule.measure}".{hint}')
        if spec.judging == "shown":
            raise BadPolicy(
                f'{place}: "{spec.id}" is shown in reports and never judged.{_judged_instead(spec, known)}'
            )
        _check_limits(rule.limits, spec, place)


def measure_specs(methods: Iterable[MethodSpec]) -> dict[str, MeasureSpec]:
    """Measure id -> its spec; the first method's where several measure the same."""
    return {spec.id: spec for method in reversed(tuple(methods)) for spec in reversed(method.measures)}


def pillar_of(measure_id: str) -> Pillar:
    """The pillar that a measure's id begins with: `fairness.selection_rate` -> fairness.

    Raises:
        BadPolicy: the id begins with no pillar's name.
    """
    pillar = measure_id.partition(".")[0]
    if pillar not in PILLARS:
        raise BadPolicy(f'"{measure_id}" belongs to no pillar; ids begin with one of {", ".join(PILLARS)}.')
    return pillar


def _judged_instead(spec: MeasureSpec, known: dict[str, MeasureSpec]) -> str:
    """A range or screen is judged through the pairs of the same rate."""
    siblings = [s.id for s in known.values() if s.judging == "pairs" and s.of is not None and s.of == spec.of]
    return f" Judge {' or '.join(sorted(siblings))} instead." if siblings else ""


def _check_limits(limits: Limits, spec: MeasureSpec, place: str) -> None:
    if limits.minimum is None and limits.maximum is None:
        raise BadPolicy(f"{place} sets no limit; give a minimum or a maximum.")
    _check_order(limits, place)
    if spec.direction == "even" and spec.judging == "pairs":
        _check_parity(limits, spec, place)
    elif spec.direction == "even" and (limits.minimum is None or limits.maximum is None):
        raise BadPolicy(f'{place}: "{spec.id}" is best in the middle; give both a minimum and a maximum.')
    elif spec.direction == "higher" and limits.minimum is None:
        raise BadPolicy(
            f'{place}: "{spec.id}" is better when higher, so a maximum alone would fail the better model; '
            "give a minimum, or both for a band."
        )
    elif spec.direction == "lower" and limits.maximum is None:
        raise BadPolicy(
            f'{place}: "{spec.id}" is better when lower, so a minimum alone would fail the better model; '
            "give a maximum, or both for a band."
        )
    if spec.unit in ("share", "count"):
        _check_range(limits, spec, place)


def _check_order(limits: Limits, place: str) -> None:
    if limits.minimum is not None and limits.maximum is not None and limits.minimum > limits.maximum:
        raise BadPolicy(f"{place}: the minimum {limits.minimum:g} is above the maximum {limits.maximum:g}.")
    if limits.target_minimum is not None and (
        limits.minimum is None or limits.target_minimum < limits.minimum
    ):
        raise BadPolicy(
            f"{place}: target_minimum {limits.target_minimum:g} must be a stricter companion of a minimum, "
            "so at or above it."
        )
    if limits.target_maximum is not None and (
        limits.maximum is None or limits.target_maximum > limits.maximum
    ):
        raise BadPolicy(
            f"{place}: target_maximum {limits.target_maximum:g} must be a stricter companion of a maximum, "
            "so at or below it."
        )
    low = limits.target_minimum if limits.target_minimum is not None else limits.minimum
    high = limits.target_maximum if limits.target_maximum is not None else limits.maximum
    if low is not None and high is not None and low > high:
        raise BadPolicy(f"{place}: nothing lies inside the target, from {low:g} to {high:g}.")


def _check_parity(limits: Limits, spec: MeasureSpec, place: str) -> None:
    """Limits on gaps and ratios hold both ways round, so only one side is written."""
    if spec.unit == "ratio":
        if limits.maximum is not None or limits.minimum is None or not 0 < limits.minimum <= 1:
            raise BadPolicy(
                f'{place}: "{spec.id}" is judged both ways round; give a minimum in (0, 1], such as 0.8, '
                "and no maximum."
            )
        if limits.target_minimum is not None and limits.target_minimum > 1:
            raise BadPolicy(f"{place}: target_minimum of a ratio must lie in (0, 1].")
    elif limits.minimum is not None or limits.maximum is None or not 0 <= limits.maximum < 1:
        raise BadPolicy(
            f'{place}: "{spec.id}" is judged both ways round; give a maximum in [0, 1), such as 0.1, '
            "and no minimum."
        )
    elif limits.target_maximum is not None and limits.target_maximum < 0:
        raise BadPolicy(f"{place}: target_maximum of a difference must not be negative.")


def _check_range(limits: Limits, spec: MeasureSpec, place: str) -> None:
    """A limit that no value can miss, or none can meet, is a slip of the pen."""
    ceiling = 1.0 if spec.unit == "share" else float("inf")
    for key, value in limits.model_dump().items():
        if value is not None and not 0 <= value <= ceiling:
            allowed = "0 to 1" if spec.unit == "share" else "0 or more"
            raise BadPolicy(f'{place}: {key} {value:g} of "{spec.id}" ({spec.unit}) must be {allowed}.')
    if limits.maximum in (None, ceiling) and limits.minimum in (None, 0.0):
        raise BadPolicy(f'{place}: no value of "{spec.id}" could ever break this limit; set a stricter one.')
