"""The API of reports."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import ConfigDict, Field

from accounts.api_auth import require
from audits.models import Run
from compliance.words import today
from reports.decision import public_address
from reports.models import Document
from reports.selectors import documents
from reports.services import request_document, revoke
from reports.standing import standing_of
from reports.views import download

router = Router(tags=["reports"])


class ReportOut(Schema):
    """One edition of an audit's report."""

    id: uuid.UUID
    run: uuid.UUID
    run_number: Annotated[int, Field(examples=[27])]
    review: uuid.UUID | None
    kind: Annotated[str, Field(examples=["countersigned"], description="draft, certified or countersigned")]
    state: Annotated[str, Field(examples=["ready"], description="making, ready or failed")]
    standing: Annotated[
        str,
        Field(
            examples=["valid"],
            description="valid, awaiting, refused, draft, stale, expired, superseded, revoked, making "
            "or failed",
        ),
    ]
    reason: Annotated[str, Field(description="Why it could not be made; empty otherwise.")]
    snapshot_digest: str
    pdf_sha256: str
    html_sha256: str
    trail_head: str
    verification_url: Annotated[
        str, Field(examples=["https://assay.example.org/verify/0123456789ABCDEFGHJKMNPQ/"])
    ]
    created_at: datetime
    made_at: datetime | None
    superseded_by: uuid.UUID | None
    revoked_at: datetime | None


class ReportsOut(Schema):
    """A page of reports, newest first."""

    items: list[ReportOut]
    count: Annotated[int, Field(description="How many there are in all.", examples=[3])]


class RevokeIn(Schema):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"reason": "The labels were wrong.", "category": "error"}]},
    )

    reason: Annotated[str, Field(min_length=1, max_length=4_000, description="Members read it.")]
    category: Annotated[
        Literal["decision", "error", "data", "other"], Field(description="The public page says this.")
    ] = "other"


class DownloadOut(Schema):
    url: Annotated[str, Field(examples=["/api/v1/audits/5f0c6d0e-7a52-4e0c-9a55-0d6a3b6f1c11/evidence.json"])]
    name: Annotated[str, Field(examples=["evidence.json"])]
    content_type: Annotated[str, Field(examples=["application/json"])]
    report: Annotated[uuid.UUID | None, Field(description="The edition; null where it is no report.")]
    kind: Annotated[str, Field(description="draft, certified or countersigned; empty where it is no report.")]
    standing: Annotated[str, Field(description="As in the list of reports.")]
    sha256: Annotated[str, Field(description="Of a report's file.")]


class DownloadsOut(Schema):
    items: list[DownloadOut]


_EDITIONS = 50


def _out(document: Document) -> dict[str, Any]:
    return {
        "id": document.pk,
        "run": document.run_id,
        "run_number": document.run.number,
        "review": document.review_id,
        "kind": document.kind,
        "state": document.state,
        "standing": standing_of(document, today(document.run.organisation)).word,
        "reason": document.reason,
        "snapshot_digest": document.snapshot_digest,
        "pdf_sha256": document.pdf,
        "html_sha256": document.html,
        "trail_head": document.trail_head,
        "verification_url": public_address(document.verification_code),
        "created_at": document.created_at,
        "made_at": document.made_at,
        "superseded_by": document.superseded_by_id,
        "revoked_at": document.revoked_at,
    }


@router.get("/reports", response=ReportsOut, summary="List reports", operation_id="list_reports")
def list_reports(
    request: Any,
    run: uuid.UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> dict[str, Any]:
    """All editions of your organisation, newest first; `run` keeps those of one audit."""
    request = require(request, "read")
    rows = documents(request.organisation)
    if run is not None:
        rows = rows.filter(run_id=run)
    return {"items": [_out(row) for row in rows[offset : offset + limit]], "count": rows.count()}


@router.get("/reports/{uuid:report_id}", response=ReportOut, summary="One report", operation_id="get_report")
def get_report(request: Any, report_id: uuid.UUID) -> dict[str, Any]:
    """One edition, with whether it still stands."""
    request = require(request, "read")
    return _out(get_object_or_404(documents(request.organisation), pk=report_id))


@router.get(
    "/reports/{uuid:report_id}/report.pdf",
    summary="The PDF",
    operation_id="download_report",
    response={200: bytes},
)
def download_report(request: Any, report_id: uuid.UUID) -> HttpResponse:
    """The PDF itself; 404 until it is ready."""
    request = require(request, "read")
    return download(get_object_or_404(documents(request.organisation), pk=report_id), "pdf")


@router.get(
    "/reports/{uuid:report_id}/report.html",
    summary="The page edition",
    operation_id="download_report_page",
    response={200: str},
)
def download_page(request: Any, report_id: uuid.UUID) -> HttpResponse:
    """The same report as one HTML file without scripts; 404 until it is ready."""
    request = require(request, "read")
    return download(get_object_or_404(documents(request.organisation), pk=report_id), "html")


@router.post(
    "/reports/{uuid:report_id}/revoke",
    response=ReportOut,
    summary="Revoke a report",
    operation_id="revoke_report",
)
def revoke_report(request: Any, report_id: uuid.UUID, body: RevokeIn) -> dict[str, Any]:
    """Its public page says so at once; it cannot be undone. 409 where it was revoked already."""
    request = require(request, "revoke")
    found = get_object_or_404(documents(request.organisation), pk=report_id)
    revoke(found, request.user, body.reason, body.category)
    return _out(get_object_or_404(documents(request.organisation), pk=report_id))


@router.get(
    "/audits/{uuid:run_id}/downloads",
    response=DownloadsOut,
    summary="What can be downloaded of an audit",
    operation_id="list_downloads",
)
def list_downloads(request: Any, run_id: uuid.UUID) -> dict[str, Any]:
    """Its evidence and measures, and each edition of its report that is ready, the newest first."""
    request = require(request, "read")
    run = get_object_or_404(Run.objects.of(request.organisation), pk=run_id)
    base = f"/api/v1/audits/{run.pk}"
    items = []
    if run.snapshot_digest:
        items.append(_download(f"{base}/evidence.json", "evidence.json", "application/json"))
        items.append(_download(f"{base}/measures.csv", "measures.csv", "text/csv"))
    now = today(request.organisation)
    for edition in documents(request.organisation).filter(run=run, state=Document.State.READY)[:_EDITIONS]:
        place, word = f"/api/v1/reports/{edition.pk}", standing_of(edition, now).word
        for name, content, sha256 in (
            ("report.pdf", "application/pdf", edition.pdf),
            ("report.html", "text/html", edition.html),
        ):
            said = {"report": edition.pk, "kind": edition.kind, "standing": word, "sha256": sha256}
            items.append(_download(f"{place}/{name}", name, content) | said)
    return {"items": items}


def _download(url: str, name: str, content: str) -> dict[str, Any]:
    said = {"report": None, "kind": "", "standing": "", "sha256": ""}
    return {"url": url, "name": name, "content_type": content, **said}


@router.post(
    "/audits/{uuid:run_id}/report",
    response={202: ReportOut},
    summary="Make a draft",
    operation_id="make_report",
)
def make_report(request: Any, run_id: uuid.UUID, replacing: uuid.UUID | None = None) -> dict[str, Any]:
    """Make a draft of an audit's report, or find the one that there is; reviews make the other editions.

    `replacing` names a draft that is made afresh.
    """
    request = require(request, "audit")
    run = get_object_or_404(Run.objects.of(request.organisation), pk=run_id)
    old = documents(request.organisation).filter(run=run, pk=replacing).first() if replacing else None
    made = request_document(run, Document.Kind.DRAFT, request.user, replacing=old)
    return _out(get_object_or_404(documents(request.organisation), pk=made.pk))
