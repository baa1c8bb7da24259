"""From measures to verdicts: each rule, for each attribute that it matches.

A rule that matches several groups or pairs of one attribute judges them together: it fails only if some
one lies wholly beyond the limit under intervals that hold for all of them at once, and passes only if
every one clears it. So a fair model is failed by chance at most 5 % of the time however many groups
there are, and a gap that the rows cannot exclude is never called a pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from assay.contracts import (
    PILLARS,
    Capability,
    Finding,
    Measure,
    MeasureSpec,
    MethodSpec,
    NotTested,
    PairUndecided,
    Policy,
    Rule,
    Verdict,
)
from assay.evidence import measure_key
from assay.planning import needs_in_words
from assay.policy.checking import check_policy, measure_specs, pillar_of
from assay.policy.families import Family, families, family_items
from assay.policy.groups import ANY_ATTRIBUTE
from assay.policy.reading import Bounds, Item, limit_bounds, target_bounds
from assay.policy.settling import settle
from assay.policy.wording import decided_sentence, limit_text, subject_of, undecided_sentence

__all__ = ["judge"]

_KEYS_IN_FINDING = 50
_SEARCHED = 25
"""Undecided pairs, most doubtful first, for which the rows of one group alone are searched for. Not where
another pair has failed the rule already: more rows would not save it."""


def judge(
    policy: Policy,
    measures: Iterable[Measure],
    specs: Iterable[MethodSpec],
    not_tested: Iterable[NotTested] = (),
    capabilities: Iterable[Capability] = (),
) -> tuple[tuple[Verdict, ...], tuple[Finding, ...]]:
    """Verdicts of every rule, and a finding for each that failed.

    Args:
        measures: what the methods measured.
        specs: all registered methods, whether they ran or not.
        not_tested: why methods did not run; said by the rules whose measures are theirs.
        capabilities: what the subject had; what a measure lacked of it is said by its rules.

    Returns:
        Verdicts by pillar, then in the order of the policy, then of the attributes; findings likewise.

    Raises:
        BadPolicy: a rule names an unknown measure or sets a limit that makes no sense for it.
    """
    every, methods = tuple(measures), tuple(specs)
    check_policy(policy, methods)
    by_id = measure_specs(methods)
    reasons = _reasons(methods, not_tested, frozenset(capabilities))
    judged: list[tuple[Verdict, Finding | None]] = []
    for rule in policy.rules:
        spec = by_id[rule.measure]
        found = families(rule, spec, every)
        judged.extend(_judge_family(rule, spec, family) for family in found)
        judged.extend((verdict, None) for verdict in _missing(rule, spec, every, reasons, bool(found)))
    judged.sort(key=lambda pair: PILLARS.index(pair[0].pillar))
    return tuple(v for v, _ in judged), tuple(f for _, f in judged if f is not None)


def _reasons(
    methods: Iterable[MethodSpec], not_tested: Iterable[NotTested], has: frozenset[Capability]
) -> dict[str, str]:
    """Measure id -> why it could not be measured: its method did not run, or the subject lacked something."""
    why = {entry.method: entry.reason for entry in not_tested if entry.method is not None}
    reasons = {}
    for method in methods:
        for spec in method.measures:
            lacking = needs_in_words(need for need in spec.needs if need not in has)
            if method.id in why:
                reasons[spec.id] = why[method.id]
            elif lacking:
                reasons[spec.id] = f"needs {' and '.join(lacking)}; this audit was given none"
    return reasons


def _judge_family(rule: Rule, spec: MeasureSpec, family: Family) -> tuple[Verdict, Finding | None]:
    limit, target = limit_bounds(rule.limits, spec), target_bounds(rule.limits, spec)
    items = family_items(family, limit, target, spec)
    failed = [item for item in items if item.reading == "fail"]
    warned = [item for item in items if item.reading == "warn"]
    undecided = _undecided(items, family, spec, limit)
    unmeasured = [item.measure for item in items if item.measure.status in ("failed", "not_applicable")]
    if items and len(unmeasured) == len(items) and not family.unmeasured_groups:
        note = unmeasured[0].note or unmeasured[0].status.replace("_", " ")
        return _not_tested(rule, spec, note, family.over), None
    if failed:
        quoted: Item | None = max(failed, key=lambda item: (item.doubt, item.reach))
    elif undecided:
        quoted = max((i for i in items if i.reading == "insufficient"), key=lambda i: i.doubt, default=None)
    elif warned:
        quoted = max(warned, key=lambda item: item.reach)
    else:
        quoted = max(items, key=lambda item: item.reach, default=None)
    if failed or (quoted is not None and not undecided):
        assert quoted is not None
        sentence = decided_sentence(spec, rule.limits, limit, items, quoted)
    elif items or undecided:
        sentence = undecided_sentence(spec, rule.limits, limit, items, quoted, undecided)
    else:
        sentence = f"No two groups have {rule.minimum_n:,} rows or more, so nothing was judged."
    outcome = quoted.reading if quoted is not None and (failed or not undecided) else "insufficient"
    if family.shown_only:
        sentence += f" Shown only, under {rule.minimum_n:,} rows: {_listed(family.shown_only)}."
    measure = quoted.measure if quoted is not None else None
    exact = measure is not None and measure.interval_method == "exact"
    verdict = Verdict(
        rule=rule.id,
        title=rule.title,
        pillar=pillar_of(rule.measure),
        measure=rule.measure,
        over=family.over,
        slice=rule.slice,
        outcome=outcome,
        value=measure.value if measure else None,
        low=None if quoted is None or exact else _finite(quoted.low),
        high=None if quoted is None or exact else _finite(quoted.high),
        n=measure.n if measure else None,
        decisive=measure_key(measure) if measure else None,
        subject=subject_of(measure) if measure else f"all groups of {family.over}",
        limit=limit_text(rule.limits, spec.unit),
        limits=rule.limits,
        unit=spec.unit,
        level=measure.level if measure else None,
        judged=len(items) + len(family.unmeasured_groups),
        failed=len(failed),
        undecided=undecided,
        shown_only=family.shown_only,
        sentence=sentence,
        severity=rule.severity,
        required=rule.required,
        source=rule.source,
    )
    return verdict, _finding(rule, verdict, failed) if outcome == "fail" else None


def _undecided(
    items: Sequence[Item], family: Family, spec: MeasureSpec, limit: Bounds
) -> tuple[PairUndecided, ...]:
    """Undecided pairs or groups, the most doubtful first, then groups of which nothing could be measured."""
    failed = any(item.reading == "fail" for item in items)
    open_items = sorted((i for i in items if i.reading == "insufficient"), key=lambda i: -i.doubt)
    pairs = tuple(
        settle(item, spec, limit, family.rates, family.size, one_group=not failed and rank < _SEARCHED)
        for rank, item in enumerate(open_items)
    )
    groups = tuple(
        PairUndecided(slice=group, against=None, rows_needed=None, group=label)
        for label, group in family.unmeasured_groups.items()
    )
    return pairs + groups


def _finding(rule: Rule, verdict: Verdict, failed: Sequence[Item]) -> Finding:
    assert verdict.decisive is not None
    name = hashlib.sha256(f"{rule.id}\n{verdict.decisive}".encode()).hexdigest()[:12]
    worst_first = sorted(failed, key=lambda item: (item.doubt, item.reach), reverse=True)
    return Finding(
        id=f"f-{name}",
        title=rule.title if verdict.over is None else f"{rule.title}, {verdict.over}",
        pillar=verdict.pillar,
        severity=rule.severity,
        criterion=f"{verdict.limit} ({rule.source})",
        detail=verdict.sentence,
        action=rule.action,
        rule=rule.id,
        measures=tuple(measure_key(item.measure) for item in worst_first[:_KEYS_IN_FINDING]),
    )


def _not_tested(rule: Rule, spec: MeasureSpec, reason: str, over: str | None = None) -> Verdict:
    return Verdict(
        rule=rule.id,
        title=rule.title,
        pillar=pillar_of(rule.measure),
        measure=rule.measure,
        over=over,
        slice=rule.slice,
        outcome="not_tested",
        subject="nothing measured",
        limit=limit_text(rule.limits, spec.unit),
        limits=rule.limits,
        unit=spec.unit,
        sentence=f"{spec.title}: not measured. {reason[:1].upper()}{reason[1:].rstrip('.')}.",
        severity=rule.severity,
        required=rule.required,
        source=rule.source,
    )


def _missing(
    rule: Rule, spec: MeasureSpec, every: Sequence[Measure], reasons: Mapping[str, str], found: bool
) -> list[Verdict]:
    """A verdict "not tested" for each attribute that the rule names and nothing measured; one for the whole
    rule when it names none. What a policy asks for by name never vanishes without a word."""
    if rule.over is None or all(wanted in ANY_ATTRIBUTE for wanted in rule.over):
        return [] if found else [_not_tested(rule, spec, _why_absent(rule, every, reasons))]
    absent = []
    for wanted in rule.over:
        narrowed = rule.model_copy(update={"over": (wanted,)})
        if wanted not in ANY_ATTRIBUTE and not families(narrowed, spec, every):
            reason = _why_absent(narrowed, every, reasons)
            absent.append(_not_tested(rule, spec, reason, over=wanted))
    return absent


def _why_absent(rule: Rule, every: Sequence[Measure], reasons: Mapping[str, str]) -> str:
    present = [m for m in every if m.id == rule.measure]
    if present:
        wanted = []
        if rule.over:
            wanted.append("over " + ", ".join(rule.over))
        if rule.slice:
            wanted.append("for " + ", ".join(f"{k} = {v}" for k, v in rule.slice.items()))
        if rule.at:
            wanted.append("at " + ", ".join(f"{k} = {v}" for k, v in rule.at.items()))
        return f"it was measured, but not {' '.join(wanted)}"
    return reasons.get(rule.measure, "no method of this run yields it for these data")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _finite(value: float) -> float | None:
    return value if abs(value) != float("inf") else None
