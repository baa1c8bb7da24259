"""What the review desk shows of a run: from its frozen snapshot, in the words and digits of the report."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from assay.contracts import PILLAR_TITLES, ChangeReport, Comparison, Verdict
from assay.errors import AssayError
from assay.policy.groups import group_label
from assay.report import formatting as fmt
from assay.report.document.summary import worst_first
from audits.findings_services import is_open
from audits.models import Finding, Run
from compliance.checklist import Item, checklist_of
from compliance.models import Reply
from compliance.services import snapshot_of
from compliance.words import joined

__all__ = ["Compared", "Desk", "Judged", "Seen", "desk_of", "findings_of"]

_MOST_COMPARED = 14
_READINGS = {
    "worse": ("fail", "fail", "Worse"),
    "better": ("pass", "pass", "Better"),
    "insufficient": ("none", "open", "Undecided"),
    "unchanged": ("none", "none", "Unchanged"),
}


class Compared(NamedTuple):
    """One row of before and after."""

    title: str
    who: str
    before: str
    after: str
    change: str
    interval: str
    look: tuple[str, str, str]
    note: str


class Judged(NamedTuple):
    """One verdict."""

    title: str
    subject: str
    outcome: str
    value: str
    interval: str
    limit: str
    n: str
    sentence: str
    source: str


class Seen(NamedTuple):
    """A finding as the run saw it, with management's replies to this run and to others, the latest first."""

    finding: Finding
    detail: str
    criterion: str
    replies: list[Reply]
    others: list[Reply]
    wanted: bool
    """An open one of high or critical severity: submitted only with a reply."""


class NotRun(NamedTuple):
    title: str
    pillar: str


class Untested(NamedTuple):
    """Methods that were not run for the same reason."""

    reason: str
    entries: list[NotRun]


class Link(NamedTuple):
    """One link of the chain of evidence."""

    what: str
    digest: str
    note: str


class Desk(NamedTuple):
    damage: str
    """Why the snapshot cannot be shown; nothing else is filled in then."""
    sentence: str = ""
    compared: tuple[Compared, ...] = ()
    compared_more: int = 0
    change: ChangeReport | None = None
    judged: tuple[Judged, ...] = ()
    """Failed, undecided, close."""
    passed: tuple[Judged, ...] = ()
    unmeasured: tuple[Judged, ...] = ()
    untested: tuple[Untested, ...] = ()
    opening: str = ""
    grade: str = ""
    checklist: tuple[Item, ...] = ()
    chain: tuple[Link, ...] = ()


_GRADES = {
    "supplied": "Predictions were supplied as a file; that they come from the model was not verified.",
    "endpoint": "The model was asked through its endpoint; its inside was not seen.",
    "executed": "The model itself was executed.",
}


def desk_of(run: Run, digest: str) -> Desk:
    """The evidence side of the desk. No queries beside the stored file; `run` with its relations."""
    try:
        body = snapshot_of(run)
    except AssayError as error:
        return Desk(f"The stored snapshot of {run} cannot be shown: {error.message}")
    if run.evidence_file != digest:
        return Desk(f"{run} has another snapshot now than the one that was submitted.")
    verdicts = [Verdict.model_validate(v) for v in body["verdicts"]]
    change = ChangeReport.model_validate(body["change"]) if body.get("change") else None
    compared = [*change.decisive, *change.moved] if change else []
    compared.sort(key=lambda c: list(_READINGS).index(c.reading))
    opening = body["plan"].get("opening") or {}
    return Desk(
        damage="",
        sentence=_sentence(verdicts, change),
        compared=tuple(_compared(c) for c in compared[:_MOST_COMPARED]),
        compared_more=max(len(compared) - _MOST_COMPARED, 0),
        change=change,
        judged=tuple(_judged(v) for v in worst_first(verdicts) if v.outcome not in ("pass", "not_tested")),
        passed=tuple(_judged(v) for v in verdicts if v.outcome == "pass"),
        unmeasured=tuple(_judged(v) for v in verdicts if v.outcome == "not_tested"),
        untested=_untested(body["not_tested"]),
        opening=str(opening.get("sentence", "")),
        grade=_GRADES.get(body["subject"]["grade"], ""),
        checklist=tuple(checklist_of(run, body)),
        chain=_chain(run, body),
    )


def findings_of(run: Run, today: dt.date) -> list[Seen]:
    """Findings of the run, those that want a reply first; three queries."""
    replies: dict[object, list[Reply]] = {}
    for reply in (
        Reply.objects.of(run.organisation_id)
        .filter(finding__sightings__run=run)
        .select_related("by", "run")
        .order_by("-at")
    ):
        replies.setdefault(reply.finding_id, []).append(reply)
    order = ("critical", "high", "medium", "low")
    found = []
    for sighting in run.sightings.select_related("finding", "finding__owner"):
        finding = sighting.finding
        wanted = is_open(finding, today) and finding.severity in order[:2]
        content, said = sighting.content, replies.get(finding.pk, [])
        mine = [r for r in said if r.run_id == run.pk]
        others = [r for r in said if r.run_id != run.pk]
        found.append(Seen(finding, content["detail"], content["criterion"], mine, others, wanted))
    return sorted(found, key=lambda s: (order.index(s.finding.severity), s.finding.number))


def _sentence(verdicts: Sequence[Verdict], change: ChangeReport | None) -> str:
    """What was found, in words; then what became of it since the baseline."""
    tally = Counter(v.outcome for v in verdicts)
    words = {
        "fail": "failed",
        "insufficient": "undecided",
        "not_tested": "not tested",
        "warn": "close to the limit",
        "pass": "passed",
    }
    parts = [f"{tally[key]} {word}" for key, word in words.items() if tally[key]]  # type: ignore[index]
    first = (
        f"Of {fmt.plural(len(verdicts), 'verdict')}: {joined(parts)}."
        if parts
        else "Nothing was judged: no policy was given, or none of its rules applies."
    )
    return f"{first} Since {change.baseline_title}: {change.sentence}" if change else first


def _compared(entry: Comparison) -> Compared:
    who = group_label(entry.slice, entry.over) if entry.slice else entry.over or "all rows"
    if "against" in entry.at:
        who = f"{who} {'/' if entry.unit == 'ratio' else '−'} {entry.at['against']}"
    settings = [f"{key} {value}" for key, value in entry.at.items() if key != "against"]
    return Compared(
        fmt.titled(entry.title, entry.unit),
        ", ".join([who, *settings]),
        fmt.value(entry.before, entry.unit),
        fmt.value(entry.after, entry.unit),
        _signed(entry.change, entry.unit),
        f"{_signed(entry.low, entry.unit)} to {_signed(entry.high, entry.unit)}"
        if entry.low is not None and entry.high is not None
        else "exact" if entry.interval_method.startswith("exact") else "–",
        _READINGS[entry.reading],
        f"within {fmt.value(entry.tolerance, entry.unit)}"
        if entry.reading == "unchanged"
        else entry.note or "",
    )  # fmt: skip


def _signed(number: float | None, unit: str) -> str:
    text = fmt.value(number, unit)
    return f"+{text}" if number is not None and number > 0 and text[0].isdigit() else text


def _judged(verdict: Verdict) -> Judged:
    return Judged(
        verdict.title,
        verdict.subject,
        verdict.outcome,
        fmt.value(verdict.value, verdict.unit or "share"),
        fmt.interval(verdict.low, verdict.high, verdict.unit or "share"),
        verdict.limit,
        fmt.count(verdict.n),
        verdict.sentence,
        verdict.source,
    )


def _untested(entries: Sequence[Mapping[str, Any]]) -> tuple[Untested, ...]:
    """What was not run, reason by reason, in the order of the snapshot."""
    groups: dict[str, Untested] = {}
    for entry in entries:
        group = groups.setdefault(entry["reason"], Untested(entry["reason"], []))
        group.entries.append(NotRun(entry["title"], PILLAR_TITLES[entry["pillar"]]))
    return tuple(groups.values())


def _chain(run: Run, body: Mapping[str, Any]) -> tuple[Link, ...]:
    """data -> model -> plan -> result -> snapshot."""
    plan, subject = body["plan"], body["subject"]
    data = [Link(f"{role} data", digest, "") for role, digest in plan["datasets"].items()]
    facts = subject.get("model")
    model = (
        Link("model", facts["sha256"], facts["format"])
        if facts
        else Link("model", "", "not seen: its predictions came in the data")
    )
    policy = [Link("policy", plan["policy_sha256"], "")] if plan.get("policy_sha256") else []
    return (
        *data,
        model,
        *policy,
        Link("plan", plan["plan_sha256"], f"fixed {fmt.instant(plan['fixed_at'])}"),
        Link("result", run.result_digest, ""),
        Link("snapshot", run.evidence_file, ""),
    )
