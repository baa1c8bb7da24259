"""What a draft's page shows: what will be measured, what will not and why, the estimate, the openings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from assay.contracts import PILLAR_TITLES, PILLARS, AuditPlan, Policy, Profile
from assay.errors import AssayError
from assay.planning import why_not
from assay.registry import METHODS
from audits import ledger
from audits.models import Run
from audits.param_fields import MethodParamsForm
from audits.planning import make_run_plan
from audits.rules_table import RuleTable, rule_tables
from audits.wording import bytes_in_words, count_in_words, seconds_in_words

__all__ = ["MethodLine", "PillarLines", "PlanPage", "foreseen", "plan_page", "sealed_rows_sentence"]

_FLAG = re.compile(r" \(--[a-z]+\)")
"""The command line's options, which the engine's reasons name."""
_READING_SECONDS = 4.0
"""Starting the sandbox and loading the model once more; no method's estimate has it."""


class MethodLine(NamedTuple):
    """One method on a plan's page."""

    id: str
    title: str
    summary: str
    chosen: bool
    why_not: str
    """Why it cannot run on this subject; "" where it can."""
    estimate: str
    form: MethodParamsForm


class PillarLines(NamedTuple):
    pillar: str
    methods: tuple[MethodLine, ...]


@dataclass(frozen=True)
class PlanPage:
    """A draft's plan, in words."""

    profile: Profile
    plan: AuditPlan | None
    problem: str
    """Why there is no plan as asked; "" where there is one."""
    pillars: tuple[PillarLines, ...]
    chosen: int
    seconds: str
    evaluations: str
    memory: str
    rules: tuple[RuleTable, ...]
    rule_count: int
    rules_untested: int
    openings: str
    standing: str


def plan_page(run: Run, forms: Mapping[str, MethodParamsForm] | None = None) -> PlanPage:
    """What the draft would do on its subject, which must have been read.

    Args:
        forms: bound forms of what was just typed and refused, by method id.
    """
    profile = Profile.model_validate(run.subject.profile)
    plan, problem = None, ""
    try:
        plan = make_run_plan(run)
    except AssayError as error:
        problem = error.message
    if plan is not None and not plan.methods:
        problem = "None of the chosen methods can run on this model and data."
    estimates = {m.id: m.estimate for m in plan.methods} if plan is not None else {}
    lines: dict[str, list[MethodLine]] = {pillar: [] for pillar in PILLARS}
    for method in METHODS.all():
        spec = method.spec
        reason = _FLAG.sub("", why_not(method, profile) or "")
        estimate = estimates.get(spec.id)
        about = ""
        if estimate is not None:
            asked = f", {count_in_words(estimate.evaluations)} answers" if estimate.evaluations else ""
            took = seconds_in_words(estimate.seconds)
            about = f"{took if estimate.seconds < 1 else f'about {took}'}{asked}"
        form = (forms or {}).get(spec.id) or MethodParamsForm(
            method,
            run.tier,  # type: ignore[arg-type]
            run.params.get(spec.id),
        )
        lines[spec.pillar].append(
            MethodLine(
                spec.id,
                spec.title,
                spec.summary,
                not reason and (run.methods is None or spec.id in run.methods),
                reason,
                about,
                form,
            )
        )
    policy = Policy.model_validate(run.policy.content) if run.policy is not None else None
    rules = tuple(rule_tables(policy, _untested(plan))) if policy is not None else ()
    foreseen = ledger.foresee(run)
    return PlanPage(
        profile=profile,
        plan=plan,
        problem=problem,
        pillars=tuple(PillarLines(PILLAR_TITLES[p], tuple(lines[p])) for p in PILLARS if lines[p]),
        chosen=len(estimates),
        seconds=seconds_in_words(_READING_SECONDS + sum(e.seconds for e in estimates.values())),
        evaluations=count_in_words(sum(e.evaluations for e in estimates.values())),
        memory=bytes_in_words(max((e.memory_bytes for e in estimates.values()), default=0)),
        rules=rules,
        rule_count=sum(len(table.lines) for table in rules),
        rules_untested=sum(bool(line.untested) for table in rules for line in table.lines),
        openings=sealed_rows_sentence(foreseen),
        standing=foreseen.standing,
    )


def foreseen(run: Run) -> dict[str, Any]:
    """The numbers of a draft's page, for programs.

    Raises:
        BadInput, BadParams: a chosen method cannot run on this subject; a parameter is out of its range.
    """
    profile, plan = Profile.model_validate(run.subject.profile), make_run_plan(run)
    planned = {m.id: m.estimate for m in plan.methods}
    untested = _untested(plan)
    opening = ledger.foresee(run)
    rules = plan.policy.rules if plan.policy is not None else ()
    return {
        "plan_sha256": plan.plan_sha256,
        "seconds": _READING_SECONDS + sum(e.seconds for e in planned.values()),
        "evaluations": sum(e.evaluations for e in planned.values()),
        "memory_bytes": max((e.memory_bytes for e in planned.values()), default=0),
        "methods": [
            {
                "id": method.spec.id,
                "title": method.spec.title,
                "pillar": method.spec.pillar,
                "planned": method.spec.id in planned,
                "why_not": _FLAG.sub("", why_not(method, profile) or ""),
                "estimate": planned.get(method.spec.id),
            }
            for method in METHODS.all()
        ],
        "rules": len(rules),
        "rules_untested": sum(rule.measure in untested for rule in rules),
        "sealed_rows": sealed_rows_sentence(opening),
        "standing": opening.standing,
    }


def sealed_rows_sentence(foreseen: ledger.Foreseen) -> str:
    """What starting would do to the sealed test rows, in plain words."""
    before = foreseen.before
    seen = "No model has been shown these test rows yet."
    if before:
        seen = f"{before} model{' has' if before == 1 else 's have'} been shown these test rows."
    if foreseen.standing == "":
        return (
            "The predictions came with the data, so no model is asked and no opening of the sealed rows is "
            "counted."
        )
    if foreseen.again:
        return (
            f"{seen} This model is one of them, so starting opens nothing new; its look counted as "
            f"{foreseen.standing}."
        )
    if foreseen.standing == "baseline":
        return (
            f"{seen} This audit is the first opening and counts as the baseline: evidence about rows that "
            "nobody has fitted to."
        )
    if foreseen.standing == "confirmatory":
        return (
            f"{seen} This audit is opening {before + 1} and counts as confirmatory: its model is the one "
            "candidate that is named for the baseline before its results are visible."
        )
    return (
        f"{seen} This audit is opening {before + 1} and counts as exploratory: results on these rows were "
        "visible before this model was chosen, so it may owe some of its result to them. Confirm it on fresh "
        "rows."
    )


def _untested(plan: AuditPlan | None) -> dict[str, str]:
    """Measure id -> why the plan does not measure it."""
    if plan is None:
        return {}
    planned = {m.id for m in plan.methods}
    reasons = {n.method: _FLAG.sub("", n.reason) for n in plan.not_tested if n.method}
    found: dict[str, Any] = {}
    for method in METHODS.all():
        if method.spec.id not in planned:
            for measure in method.spec.measures:
                found.setdefault(measure.id, reasons.get(method.spec.id, "No planned method measures it."))
    for method in METHODS.all():
        if method.spec.id in planned:
            for measure in method.spec.measures:
                found.pop(measure.id, None)
    return found
