"""The API of findings: the list, those of an audit, one with what was seen and decided, and the decisions."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal
from uuid import UUID

from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import ConfigDict, Field

from accounts.api_auth import ApiRequest, require
from accounts.models import User
from accounts.paging import Paging
from assay.contracts import Pillar, Severity
from audits.api_schemas import MeasureOut
from audits.findings_selectors import detail_of, list_findings
from audits.findings_services import accept_finding, assign_finding, is_open, reopen_finding, today_in
from audits.models import Finding, FindingRun, Run

__all__ = ["router"]

router = Router(tags=["findings"])

_EXAMPLE: dict[str, Any] = {
    "id": "2b1f8e64-0f3a-4d0e-8a55-7f3a6d1c9b20",
    "number": 118,
    "name": "F-118",
    "key": "fairness.impact_ratio:sex",
    "title": "Impact ratio, sex: Female / Male",
    "pillar": "fairness",
    "severity": "high",
    "state": "open",
    "open": True,
    "expired": False,
    "overdue": False,
    "system": "c0a8012e-4f0a-4b8e-9f0a-9d5d0a4b8e33",
    "system_name": "Loan pre-screen",
    "owner": {"id": "7f6c2d0e-6f4e-4a8f-9d0b-2f1f8f0f1c11", "name": "Ada Engineer"},
    "due": "2026-12-24",
    "cause": "Few rows of women with high income.",
    "accepted_until": None,
    "last_seen": 27,
    "times": 3,
    "created_at": "2026-11-28T14:02:59Z",
    "replies": "/api/v1/findings/2b1f8e64-0f3a-4d0e-8a55-7f3a6d1c9b20/replies",
}


class AnswerableOut(Schema):
    id: UUID
    name: str


class FindingOut(Schema):
    """A finding of a system, across its audits."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: UUID
    number: int
    name: str = Field(description="As pages and reports call it.")
    key: str = Field(description="The engine's id of it: the same in every audit of the system.")
    title: str
    pillar: str
    severity: str
    state: Literal["open", "accepted", "mended"]
    open: bool = Field(description="Somebody has to do something: open, or accepted until a day that passed.")
    expired: bool = Field(description="Its acceptance has ended.")
    overdue: bool
    system: UUID
    system_name: str
    owner: AnswerableOut | None
    due: dt.date | None
    cause: str
    accepted_until: dt.date | None
    last_seen: int | None = Field(description="Number of the newest audit that saw it.")
    times: int = Field(description="Audits that saw it.")
    created_at: dt.datetime
    replies: str = Field(description="Where management's replies are.")


class FindingsOut(Schema):
    """A page of findings, the worst first."""

    count: int
    items: list[FindingOut]


class SeenOut(FindingOut):
    """A finding as one audit saw it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_EXAMPLE,
                    "criterion": "At least 0.80 (Uniform Guidelines, 29 CFR 1607.4 D)",
                    "detail": "0.36 [0.34, 0.38], so the whole interval lies beyond the limit.",
                    "action": None,
                    "rule": "impact_ratio",
                    "measures": ["9f3c" + "0" * 60],
                }
            ]
        }
    )

    criterion: str = Field(description="The limit that was broken, with its source.")
    detail: str
    action: str | None
    rule: str | None
    measures: list[str] = Field(description="Keys of the measures behind it.")


class SeenPage(Schema):
    """What an audit found."""

    count: int
    items: list[SeenOut]


class AuditOut(Schema):
    id: UUID
    number: int
    title: str
    seen: bool = Field(description="Whether it saw the finding.")


class DecisionOut(Schema):
    at: dt.datetime
    who: str
    what: str = Field(examples=["accepted it"])
    until: dt.date | None
    due: dt.date | None
    owner: str
    words: str = Field(description="Reason or cause; empty where there is none or it was erased.")
    erased: bool


class FindingDetail(FindingOut):
    """A finding with what was measured, by which audits, and what people decided."""

    audit: AuditOut | None = Field(description="The newest audit that saw it; the next fields are of it.")
    content: dict[str, Any] = Field(description="Criterion, detail, action, rule, keys of measures.")
    measures: list[MeasureOut]
    verdict: dict[str, Any] | None = Field(description="The engine's verdict behind it.")
    audits: list[AuditOut] = Field(description="The newest 30 measured audits of the system.")
    decisions: list[DecisionOut] = Field(description="The newest 50.")


class FindingQuery(Paging):
    """Which findings."""

    state: Literal["open", "accepted", "mended", "all"] = "open"
    system: UUID | None = None
    pillar: Pillar | None = None
    severity: Severity | None = None
    owner: UUID | Literal["nobody"] | None = None


class AssignIn(Schema):
    """What is left out is emptied: an assignment says all three."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"owner": "7f6c2d0e-6f4e-4a8f-9d0b-2f1f8f0f1c11", "due": "2026-12-24", "cause": "A proxy."}
            ]
        },
    )

    owner: UUID | None = Field(None, description="A member.")
    due: dt.date | None = Field(None, description="To be mended by.")
    cause: str = Field("", max_length=4_000)


class AcceptIn(Schema):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"until": "2027-03-31", "reason": "Retraining is on its way."}]},
    )

    until: dt.date = Field(description="Until and including; a year ahead at most.")
    reason: str = Field(max_length=4_000)


class ReopenIn(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "It grew."}]})

    reason: str = Field("", max_length=4_000)


@router.get("/findings", response=FindingsOut, summary="List findings")
def list_all(request: Any, asked: Query[FindingQuery]) -> dict[str, Any]:
    """Open ones unless asked otherwise, the worst first, then the newest."""
    request = require(request, "read")
    said = asked.model_dump(exclude={"limit", "offset"}, exclude_none=True)
    found = list_findings(request.organisation, {name: str(value) for name, value in said.items()})
    today = today_in(request.organisation)
    return {"count": found.count(), "items": [_out(each, today) for each in asked.of(found)]}


@router.get("/audits/{uuid:run_id}/findings", response=SeenPage, summary="What an audit found")
def list_of_run(request: Any, run_id: UUID, asked: Query[Paging]) -> dict[str, Any]:
    """Each with where it stands today, and as this audit saw it."""
    request = require(request, "read")
    run = get_object_or_404(Run.objects.of(request.organisation), pk=run_id)
    sightings = FindingRun.objects.filter(run=run)
    by_finding = list_findings(request.organisation, {"state": "all"}).filter(
        pk__in=sightings.values("finding")
    )
    today = today_in(request.organisation)
    page = list(asked.of(by_finding))
    contents = dict(sightings.filter(finding__in=page).values_list("finding", "content"))
    return {
        "count": sightings.count(),
        "items": [{**_out(each, today), **_content(contents[each.pk])} for each in page],
    }


@router.get("/findings/{uuid:pk}", response=FindingDetail, summary="One finding")
def get_finding(request: Any, pk: UUID) -> dict[str, Any]:
    request = require(request, "read")
    return _detail(request, pk)


@router.post("/findings/{uuid:pk}/assign", response=FindingDetail, summary="Say who mends it until when")
def assign(request: Any, pk: UUID, body: AssignIn) -> dict[str, Any]:
    request = require(request, "reply")
    owner = None
    if body.owner is not None:
        owner = get_object_or_404(User.objects.filter(organisations=request.organisation), pk=body.owner)
    assign_finding(_finding(request, pk), owner=owner, due=body.due, cause=body.cause, by=request.user)
    return _detail(request, pk)


@router.post("/findings/{uuid:pk}/accept", response=FindingDetail, summary="Accept it for a time")
def accept(request: Any, pk: UUID, body: AcceptIn) -> dict[str, Any]:
    """The day after it is open again by itself."""
    request = require(request, "promote")
    accept_finding(_finding(request, pk), until=body.until, reason=body.reason, by=request.user)
    return _detail(request, pk)


@router.post("/findings/{uuid:pk}/reopen", response=FindingDetail, summary="End an acceptance")
def reopen(request: Any, pk: UUID, body: ReopenIn) -> dict[str, Any]:
    request = require(request, "promote")
    reopen_finding(_finding(request, pk), reason=body.reason, by=request.user)
    return _detail(request, pk)


def _finding(request: ApiRequest, pk: UUID) -> Finding:
    found: Finding = get_object_or_404(list_findings(request.organisation, {"state": "all"}), pk=pk)
    return found


def _out(each: Finding, today: dt.date) -> dict[str, Any]:
    open_now = is_open(each, today)
    return {
        **{
            name: getattr(each, name)
            for name in ("id", "number", "key", "title", "pillar", "severity", "due", "cause")
        },
        "name": f"F-{each.number}",
        "state": each.state,
        "open": open_now,
        "expired": each.state == Finding.State.ACCEPTED and open_now,
        "overdue": each.due is not None and each.due < today and open_now,
        "system": each.system_id,
        "system_name": each.system.name,
        "owner": {"id": each.owner.pk, "name": str(each.owner)} if each.owner else None,
        "accepted_until": each.accepted_until,
        "last_seen": each.last_seen,  # type: ignore[attr-defined]  # list_findings adds both
        "times": each.times,  # type: ignore[attr-defined]
        "created_at": each.created_at,
        "replies": f"/api/v1/findings/{each.pk}/replies",
    }


def _content(content: dict[str, Any]) -> dict[str, Any]:
    return {
        "criterion": content.get("criterion", ""),
        "detail": content.get("detail", ""),
        "action": content.get("action"),
        "rule": content.get("rule"),
        "measures": content.get("measures", []),
    }


def _detail(request: ApiRequest, pk: UUID) -> dict[str, Any]:
    found = _finding(request, pk)
    detail = detail_of(found)
    return {
        **_out(found, today_in(request.organisation)),
        "audit": _audit(detail.latest, True) if detail.latest else None,
        "content": _content(detail.content),
        "measures": [MeasureOut.model_validate(row, from_attributes=True) for row in detail.rows],
        "verdict": detail.verdict,
        "audits": [_audit(each["run"], each["seen"]) for each in detail.runs],
        "decisions": detail.decisions,
    }


def _audit(run: Run, seen: bool) -> dict[str, Any]:
    return {"id": run.pk, "number": run.number, "title": run.title, "seen": seen}
