"""Two runs side by side: what changed, what cannot be told, and whether they can be compared at all."""

from __future__ import annotations

from collections import Counter

from assay.compare.change import change
from assay.compare.matching import Sameness, by_identity, same_model
from assay.compare.pairing import Pairing
from assay.compare.questions import refuse_another_question
from assay.compare.scales import merit_of
from assay.contracts import (
    PILLARS,
    Comparison,
    Evidence,
    Frozen,
    Identifier,
    Measure,
    Pillar,
    Text,
    Verdict,
    VerdictChange,
)
from assay.evidence import measure_key
from assay.policy.checking import measure_specs, pillar_of
from assay.policy.groups import at_without_pair
from assay.policy.wording import subject_of

__all__ = ["CompareReport", "Unmatched", "compare", "statements", "verdict_changes"]


class Unmatched(Frozen):
    """A measure that only one of the runs has."""

    id: Identifier
    pillar: Pillar
    over: Text | None
    subject: Text
    reason: Text
    """Why the other run lacks it, as far as it says."""


class CompareReport(Frozen):
    """What `compare` finds."""

    statements: tuple[Text, ...]
    """Sentences on what differs between the runs besides the numbers, and on how they were compared."""
    comparisons: tuple[Comparison, ...]
    """By pillar, then worse, better, insufficient, unchanged."""
    only_before: tuple[Unmatched, ...]
    only_after: tuple[Unmatched, ...]
    verdict_changes: tuple[VerdictChange, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Reading -> how many comparisons read so."""
        return dict(Counter(comparison.reading for comparison in self.comparisons))


_ORDER = ("worse", "better", "insufficient", "unchanged")


def compare(before: Evidence, after: Evidence, pairing: Pairing | str | None = None) -> CompareReport:
    """Match the measures of two runs by identity and say of each whether it got better or worse.

    Compared is what a policy may judge and what has a better side; screens, p-values, ranges and
    measures such as the selection rate, of which neither more nor less is better, are left out.
    Tolerances come from the rules of the later run's policy, else `default_tolerance`.

    Args:
        pairing: the rows that both runs have, or why they are not paired (`pairing_of`).

    Raises:
        BadInput: the runs answer different questions (`another_question`).
    """
    refuse_another_question(before.subject, after.subject)
    specs = measure_specs((*after.methods, *before.methods))
    same = Sameness.of(before, after)
    pairs = pairing if isinstance(pairing, Pairing) else None
    policy = after.plan.policy or before.plan.policy
    rules = reversed(policy.rules) if policy else ()
    tolerances = {rule.measure: rule.tolerance for rule in rules if rule.tolerance is not None}
    first, second = by_identity(before.measures), by_identity(after.measures)
    found: list[Comparison] = []
    only_before: list[Unmatched] = []
    only_after: list[Unmatched] = []
    for name, measure in {**first, **second}.items():
        spec = specs[measure.id]
        merit = merit_of(spec)
        if spec.judging == "shown" or merit is None:
            continue
        a, b = first.get(name), second.get(name)
        has_a, has_b = _measured(a), _measured(b)
        if a is not None and b is not None and has_a and has_b:
            tolerance = tolerances.get(measure.id)
            one = change(a, b, spec, merit, tolerance=tolerance, same_predictions=same.exact(a), pairs=pairs)
            if why := same.foreign(a):
                one = one.model_copy(update={"reading": "insufficient", "note": why})
            found.append(one)
        elif a is not None and has_a:
            only_before.append(_unmatched(a, b))
        elif b is not None and has_b:
            only_after.append(_unmatched(b, a))
    found.sort(key=lambda c: (PILLARS.index(c.pillar), _ORDER.index(c.reading)))
    return CompareReport(
        statements=statements(before, after, pairing),
        comparisons=tuple(found),
        only_before=tuple(only_before),
        only_after=tuple(only_after),
        verdict_changes=verdict_changes(before, after),
    )


def verdict_changes(before: Evidence, after: Evidence) -> tuple[VerdictChange, ...]:
    """Rules whose outcome differs, in the order of the later run; those of one run only included.

    A rule of which a run measured nothing has one verdict there, of no attribute or setting: it stands for
    each verdict of that rule in the other run.
    """
    first, second = _by_rule(before), _by_rule(after)
    first, second = _spread(first, second), _spread(second, first)
    changes = []
    for name, verdict in {**second, **first}.items():
        a, b = first.get(name), second.get(name)
        outcomes = (a.outcome if a else None, b.outcome if b else None)
        if outcomes[0] != outcomes[1]:
            changes.append(
                VerdictChange(
                    rule=verdict.rule,
                    title=verdict.title,
                    pillar=verdict.pillar,
                    over=(a.over if a else None) or (b.over if b else None),
                    before=outcomes[0],
                    after=outcomes[1],
                )
            )
    return tuple(changes)


_Name = tuple[str, str | None, tuple[tuple[str, str], ...]]


def _by_rule(run: Evidence) -> dict[_Name, Verdict]:
    """Verdicts by rule, attribute and setting; the setting is known through the measure quoted."""
    measures = {measure_key(m): m for m in run.measures}
    found: dict[_Name, Verdict] = {}
    for verdict in run.verdicts:
        measure = measures.get(verdict.decisive or "")
        found[verdict.rule, verdict.over, at_without_pair(measure) if measure else ()] = verdict
    return found


def _spread(verdicts: dict[_Name, Verdict], other: dict[_Name, Verdict]) -> dict[_Name, Verdict]:
    """A rule's lone verdict about nothing measured, under each name that the other run has for the rule."""
    found: dict[_Name, Verdict] = {}
    for name, verdict in verdicts.items():
        lone = verdict.outcome == "not_tested" and verdict.decisive is None and name[1:] == (None, ())
        names = [known for known in other if known[0] == name[0]] if lone else []
        found.update(dict.fromkeys(names or [name], verdict))
    return found


def statements(before: Evidence, after: Evidence, pairing: Pairing | str | None = None) -> tuple[str, ...]:
    """What differs in data, model, policy, plan and software, in sentences, and how changes are judged."""
    rows = pairing.rows if isinstance(pairing, Pairing) else None
    said = [_about_data(before, after, rows is not None and rows.whole), _about_policy(before, after)]
    said += _about_model(before, after)
    said += _about_plan(before, after)
    if before.manifest.code_sha256 != after.manifest.code_sha256:
        versions = f"{before.manifest.assay_version} and {after.manifest.assay_version}"
        said.append(f"The runs were made by different code of Assay (versions {versions}).")
    if before.subject.grade != after.subject.grade:
        said.append(f"The evidence differs in grade: {before.subject.grade}, then {after.subject.grade}.")
    for word, run in (("first", before), ("second", after)):
        if run.manifest.failed_shards:
            count = run.manifest.failed_shards
            said.append(f"The {word} run is incomplete: {count} of its shards failed.")
    same = Sameness.of(before, after)
    if not same.hardware and any(m.volatile for run in (before, after) for m in run.measures):
        said.append("The runs were made on different hardware: timings and energy are shown, not judged.")
    elif uneven := same.uneven:
        said.append(f"{uneven}: timings that this touches are shown, not judged.")
    if same.predictions:
        said.append("Both runs read the same predictions of the same rows, so changes are exact.")
    elif isinstance(pairing, Pairing):
        said.append(pairing.rows.sentence)
    else:
        said += [pairing] if pairing else []
        said.append(
            "Rows are not paired: each change combines the intervals of both runs (MOVER) as if their "
            "rows were independent. Where both saw the same rows this is conservative: it may leave a "
            "real change undecided."
        )
    return tuple(said)


def _about_address(before: Evidence, after: Evidence, name: str) -> str:
    """Whether what answers there is still what answered, as far as the rows asked again can tell."""
    said = f"Both runs asked the same address ({name})"
    canaries = [run.endpoint.canary if run.endpoint is not None else None for run in (before, after)]
    if same_model(before, after):
        return f"{said}, and the rows that are asked again in every run got the same answers."
    if before.subject.asked.sha256 != after.subject.asked.sha256 or None in canaries:
        return f"{said}; whether the same model answered was not tested on the same rows."
    if any(canary is not None and canary.tolerance for canary in canaries):
        return (
            f"{said}, which does not answer twice alike, so it cannot be told whether it is the same model."
        )
    return (
        f"{said}, but another model answered: the rows that are asked again in every run got other answers."
    )


def _about_model(before: Evidence, after: Evidence) -> list[str]:
    a, b = before.subject.model, after.subject.model
    if a is None or b is None:
        return []
    if a.sha256 == b.sha256 and b.endpoint is not None:
        return [_about_address(before, after, f"{b.endpoint.model} at {b.endpoint.host}")]
    if a.sha256 == b.sha256:
        return [f"Both runs asked the same model ({a.name}, sha256 {a.sha256[:12]})."]
    said = f"The model changed: {a.name} (sha256 {a.sha256[:12]}), then {b.name} (sha256 {b.sha256[:12]})"
    made = b.lineage
    if made is None:
        return [f"{said}."]
    if made.parent_sha256 == a.sha256:
        return [f"{said}, made from it by {made.remedy}."]
    return [f"{said}, made by {made.remedy}, not from the first."]


def _about_data(before: Evidence, after: Evidence, same_rows: bool) -> str:
    a, b = before.subject.test, after.subject.test
    if a.sha256 == b.sha256:
        return f"Both runs measured {a.name} ({a.rows:,} rows, sha256 {a.sha256[:12]})."
    if same_rows:
        return (
            f"Both runs measured the same {a.rows:,} rows, in {a.name} (sha256 {a.sha256[:12]}) and {b.name} "
            f"(sha256 {b.sha256[:12]}); the files differ in predictions, not in what was predicted."
        )
    return (
        f"The runs measured different files: {a.name} ({a.rows:,} rows, sha256 {a.sha256[:12]}), then "
        f"{b.name} ({b.rows:,} rows, sha256 {b.sha256[:12]}). A change may come from the data."
    )


def _about_policy(before: Evidence, after: Evidence) -> str:
    names = [
        f"{run.plan.policy.id} {run.plan.policy.version}" if run.plan.policy else "none"
        for run in (before, after)
    ]
    digests = [run.plan.policy_sha256 for run in (before, after)]
    if digests[0] == digests[1]:
        if digests[0] is None:
            return "Neither run was judged by a policy."
        return f"Both runs were judged by the policy {names[0]} (sha256 {digests[0][:12]})."
    parts = [f"{n} (sha256 {d[:12]})" if d else n for n, d in zip(names, digests, strict=True)]
    return f"The runs were judged by different policies: {parts[0]}, then {parts[1]}."


def _about_plan(before: Evidence, after: Evidence) -> list[str]:
    a, b = before.plan, after.plan
    differing = [f"tier {a.tier} and {b.tier}"] if a.tier != b.tier else []
    differing += [f"seed {a.seed} and {b.seed}"] if a.seed != b.seed else []
    first = {m.id: (m.version, dict(m.params)) for m in a.methods}
    second = {m.id: (m.version, dict(m.params)) for m in b.methods}
    for name in sorted(first.keys() | second.keys()):
        if name not in second:
            differing.append(f"{name} only in the first")
        elif name not in first:
            differing.append(f"{name} only in the second")
        elif first[name][0] != second[name][0]:
            differing.append(f"{name} in versions {first[name][0]} and {second[name][0]}")
        elif first[name][1] != second[name][1]:
            differing.append(f"{name} with other parameters")
    return [f"The plans differ: {'; '.join(differing)}."] if differing else []


def _measured(measure: Measure | None) -> bool:
    return measure is not None and measure.value is not None


def _unmatched(measure: Measure, other: Measure | None) -> Unmatched:
    reason = "not among its measures" if other is None else other.note or other.status.replace("_", " ")
    return Unmatched(
        id=measure.id,
        pillar=pillar_of(measure.id),
        over=measure.over,
        subject=subject_of(measure),
        reason=reason,
    )
