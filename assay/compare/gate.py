"""The regression gate: a candidate goes through only if it is shown not to be worse than the baseline.

A report may hold hundreds of pairs of small groups that the rows at hand cannot compare, so the gate asks
per rule about the quantity that decided it, in either run: the pair or group that the verdict quotes, or,
where a rule was undecided, the one that stands out most surely. Whether a candidate is good enough by
itself is `assay audit`'s question; the gate's is whether anything was lost.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from assay.compare.change import CHANGED_SIDES, change, on_scale
from assay.compare.matching import Sameness, by_identity, identity
from assay.compare.pairing import Pairing
from assay.compare.questions import refuse_another_question
from assay.compare.runs import statements, verdict_changes
from assay.compare.scales import Merit, merit_of
from assay.contracts import (
    PILLARS,
    Comparison,
    Evidence,
    Frozen,
    Measure,
    MeasureSpec,
    Outcome,
    Text,
    VerdictChange,
)
from assay.evidence import measure_key
from assay.policy.checking import measure_specs, pillar_of
from assay.policy.exits import FAILED, PASSED, UNDECIDED, UNUSABLE
from assay.policy.families import families
from assay.policy.groups import at_without_pair
from assay.policy.wording import subject_of

__all__ = ["GateReport", "gate", "not_inferior"]


_OUTCOMES: dict[Outcome, str] = {
    "pass": "passed",
    "warn": "close to the limit",
    "fail": "failed",
    "insufficient": "insufficient",
    "not_tested": "not tested",
}


class GateReport(Frozen):
    """What `gate` decides, and why."""

    exit_code: Literal[0, 1, 2, 3]
    sentence: Text
    """The answer in one sentence."""
    reasons: tuple[Text, ...]
    """One sentence for everything that keeps the candidate from going through."""
    comparisons: tuple[Comparison, ...]
    """The decisive quantities of both runs."""
    verdict_changes: tuple[VerdictChange, ...]
    statements: tuple[Text, ...]


@dataclass(frozen=True)
class _Quantity:
    """A measure that the gate looks at."""

    name: Hashable
    title: str
    spec: MeasureSpec
    merit: Merit
    tolerance: float | None
    strict: bool = True
    """Whether not-worse must be shown; otherwise it is enough that worse is not."""


def gate(baseline: Evidence, candidate: Evidence, pairing: Pairing | str | None = None) -> GateReport:
    """Judge a candidate against a baseline: non-inferiority on every pillar.

    With a policy, looked at are its rules: what the verdicts of either run quote or, for an undecided
    verdict on several groups, the group or pair that stands out most surely (the gap whose interval lies
    farthest from parity, the group whose interval lies farthest on the bad side). Without one: every
    measure of all rows that has a better side, and per attribute and rate the gap that stands out most
    surely in either run. Timings and energy count where both runs were made on hardware of one class that
    was equally fast; otherwise they are shown. Without a rule that asks for them they stop a candidate only
    where they are surely worse.

    Args:
        pairing: the rows that both runs have, or why they are not paired (`pairing_of`).

    Returns:
        exit_code 2 when the runs were judged by different policies; 1 when a quantity became worse
        beyond its tolerance or a rule fails that did not; 3 when not-worse is not shown for some
        quantity, or the candidate lacks a measure, a decided rule or a pillar that the baseline had, or
        is incomplete; 0 otherwise.

    Raises:
        BadInput: the runs answer different questions (`another_question`).
    """
    refuse_another_question(baseline.subject, candidate.subject)
    said, changes = statements(baseline, candidate, pairing), verdict_changes(baseline, candidate)
    if baseline.plan.policy_sha256 != candidate.plan.policy_sha256:
        sentence = "The candidate was not judged by the baseline's policy; audit it again with that policy."
        return GateReport(
            exit_code=UNUSABLE,
            sentence=sentence,
            reasons=(said[1],),
            comparisons=(),
            verdict_changes=changes,
            statements=said,
        )
    first, second = by_identity(baseline.measures), by_identity(candidate.measures)
    same = Sameness.of(baseline, candidate)
    pairs = pairing if isinstance(pairing, Pairing) else None
    comparisons: list[Comparison] = []
    foreign = _rules_on(baseline, {m.id for m in (*first.values(), *second.values()) if same.foreign(m)})
    losses, gaps = _verdict_reasons([item for item in changes if item.rule not in foreign])
    gaps += _missing_pillars(baseline, candidate)
    if candidate.manifest.failed_shards:
        gaps.append(f"The candidate's audit is incomplete: {candidate.manifest.failed_shards} shards failed.")
    for quantity in _quantities(baseline, candidate):
        a, b = first.get(quantity.name), second.get(quantity.name)
        if a is None or a.value is None:
            continue
        if b is None or b.value is None:
            why = (b.note if b is not None else None) or "it is not among its measures"
            gaps.append(f"{quantity.title}, {_about(a)}: the candidate has no value ({why.rstrip('.')}).")
            continue
        found = change(
            a,
            b,
            quantity.spec,
            quantity.merit,
            title=quantity.title,
            tolerance=quantity.tolerance,
            same_predictions=same.exact(a),
            pairs=pairs,
        )
        if elsewhere := same.foreign(a):
            comparisons.append(found.model_copy(update={"reading": "insufficient", "note": elsewhere}))
            continue
        comparisons.append(found)
        if found.reading == "worse":
            losses.append(f"{quantity.title}, {_about(a)}: worse, {_moved(found)}.")
        elif quantity.strict and not not_inferior(found, quantity.merit):
            gaps.append(f"{quantity.title}, {_about(a)}: not shown to be no worse, {_moved(found)}.")
    if not comparisons and not gaps:
        gaps.append("The baseline holds nothing that the candidate could be compared on.")
    comparisons.sort(key=lambda c: PILLARS.index(c.pillar))
    code: Literal[0, 1, 3] = FAILED if losses else UNDECIDED if gaps else PASSED
    return GateReport(
        exit_code=code,
        sentence=_answer(losses, gaps, len(comparisons)),
        reasons=(*losses, *gaps),
        comparisons=tuple(comparisons),
        verdict_changes=changes,
        statements=said,
    )


def not_inferior(comparison: Comparison, merit: Merit) -> bool:
    """Whether the whole interval of the change stays above -tolerance on the better side."""
    if comparison.low is None or comparison.high is None:
        return False
    worst = comparison.low if merit.better == 1 else -comparison.high
    return worst >= -comparison.tolerance


def _about(measure: Measure) -> str:
    """The rows or the attribute that a sentence is about: a smallest group is one of age or of sex."""
    return measure.over if measure.over is not None and not measure.slice else subject_of(measure)


def _rules_on(run: Evidence, measures: set[str]) -> set[str]:
    """Ids of the rules on these measures."""
    rules = run.plan.policy.rules if run.plan.policy is not None else ()
    return {rule.id for rule in rules if rule.measure in measures}


def _verdict_reasons(changes: Sequence[VerdictChange]) -> tuple[list[str], list[str]]:
    """Rules that fail now and did not; rules decided before and not now (failed to undecided is no loss)."""
    losses, gaps = [], []
    for item in changes:
        name = f"{item.title}{f', {item.over}' if item.over else ''}"
        if item.after == "fail":
            before = _OUTCOMES[item.before] if item.before is not None else "not judged"
            losses.append(f"{name}: fails now, was {before}.")
        elif item.before in ("pass", "warn") and item.after == "insufficient":
            gaps.append(f"{name}: was {_OUTCOMES[item.before]}, now insufficient.")
        elif item.before in ("pass", "warn", "fail") and item.after in ("not_tested", None):
            after = "missing" if item.after is None else "not tested"
            gaps.append(f"{name}: was {_OUTCOMES[item.before]}, now {after}.")
        elif item.before == "insufficient" and item.after in ("not_tested", None):
            gaps.append(f"{name}: was insufficient, is no longer measured.")
    return losses, gaps


def _missing_pillars(baseline: Evidence, candidate: Evidence) -> list[str]:
    had, has = (
        {pillar_of(m.id) for m in run.measures if m.value is not None} for run in (baseline, candidate)
    )
    return [f"The candidate measured nothing of {p.replace('_', ' ')}." for p in PILLARS if p in had - has]


def _quantities(baseline: Evidence, candidate: Evidence) -> Iterator[_Quantity]:
    """Each once, in the order of the policy or of the measures."""
    specs = measure_specs((*candidate.methods, *baseline.methods))
    policy = baseline.plan.policy
    found = _headlines(baseline, candidate, specs) if policy is None else _quoted(baseline, candidate, specs)
    seen: set[tuple[Hashable, str]] = set()
    for quantity in found:
        if (quantity.name, quantity.title) not in seen:
            seen.add((quantity.name, quantity.title))
            yield quantity


def _quoted(baseline: Evidence, candidate: Evidence, specs: dict[str, MeasureSpec]) -> Iterator[_Quantity]:
    """What decided each rule, or stands out most surely where nothing did."""
    policy = baseline.plan.policy
    assert policy is not None
    for rule in policy.rules:
        spec = specs.get(rule.measure)
        merit = merit_of(spec, rule.limits) if spec is not None else None
        if spec is None or merit is None:
            continue
        for run in (baseline, candidate):
            verdicts = {v.decisive: v for v in run.verdicts if v.rule == rule.id and v.decisive is not None}
            for family in families(rule, spec, run.measures):
                for measure in family.members:
                    verdict = verdicts.get(measure_key(measure))
                    if verdict is None:
                        continue
                    if verdict.outcome == "insufficient":
                        measured = [m for m in family.members if m.value is not None]
                        measure = _most_surely_bad(measured, merit) if measured else measure
                    yield _Quantity(identity(measure), rule.title, spec, merit, rule.tolerance)


def _headlines(baseline: Evidence, candidate: Evidence, specs: dict[str, MeasureSpec]) -> Iterator[_Quantity]:
    """Without a policy: measures of all rows, and of the gaps over each attribute the surest."""
    for run in (baseline, candidate):
        gaps: dict[Hashable, list[Measure]] = {}
        for measure in run.measures:
            spec = specs[measure.id]
            merit = merit_of(spec)
            if measure.value is None or merit is None or (measure.volatile and measure.low is None):
                continue  # a largest value seen has no interval, so nothing can be shown of it
            if spec.judging == "single" and not measure.slice:
                yield _Quantity(identity(measure), spec.title, spec, merit, None, not measure.volatile)
            # a ratio says of the same rates what their difference says, so one of them will do
            elif spec.judging == "pairs" and spec.unit != "ratio" and len(measure.slice) == 1:
                gaps.setdefault((measure.id, measure.over, at_without_pair(measure)), []).append(measure)
        for members in gaps.values():
            spec = specs[members[0].id]
            merit = merit_of(spec)
            assert merit is not None
            yield _Quantity(identity(_most_surely_bad(members, merit)), spec.title, spec, merit, None)


def _most_surely_bad(members: list[Measure], merit: Merit) -> Measure:
    return max(members, key=lambda measure: (_surely_bad(measure, merit), measure.n))


def _surely_bad(measure: Measure, merit: Merit) -> float:
    """How bad the measure is at the better end of its interval; larger is worse."""
    _, low, high = on_scale(measure, merit)
    best = high if merit.better == 1 else low
    return -math.inf if math.isinf(best) else -merit.better * best


def _moved(comparison: Comparison) -> str:
    turned = ", the groups changed sides" if CHANGED_SIDES in (comparison.note or "") else ""
    if comparison.low is None or comparison.high is None:
        return f"{comparison.before:.3g} to {comparison.after:.3g}, without an interval{turned}"
    return (
        f"{comparison.before:.3g} to {comparison.after:.3g}, change {comparison.change:+.3g} "
        f"[{comparison.low:+.3g}, {comparison.high:+.3g}], tolerance {comparison.tolerance:g}{turned}"
    )


def _answer(losses: list[str], gaps: list[str], compared: int) -> str:
    if losses:
        return f"Not let through: {len(losses)} of the things that the baseline had became worse or now fail."
    if gaps:
        things = "1 thing is" if len(gaps) == 1 else f"{len(gaps)} things are"
        return f"Not decided: {things} missing or cannot be shown to be no worse."
    return f"Let through: none of {compared} decisive quantities is worse beyond its tolerance."
