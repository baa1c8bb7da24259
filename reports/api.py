"""The API of reports."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from accounts.api_auth import require
from audits.models import Run
from reports.decision import public_address
from reports.models import Document
from reports.selectors import documents
from reports.services import request_document
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


def _out(document: Document) -> dict[str, Any]:
    return {
        "id": document.pk,
        "run": document.run_id,
        "run_number": document.run.number,
        "review": document.review_id,
        "kind": document.kind,
        "state": document.state,
        "standing": standing_of(document, timezone.now().date()).word,
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


@router.post(
    "/audits/{uuid:run_id}/report",
    response={202: ReportOut},
    summary="Make a draft",
    operation_id="make_report",
)
def make_report(request: Any, run_id: uuid.UUID) -> dict[str, Any]:
    """Make a draft of an audit's report, or find the one that there is; reviews make the other editions."""
    request = require(request, "audit")
    run = get_object_or_404(Run.objects.of(request.organisation), pk=run_id)
    made = request_document(run, Document.Kind.DRAFT, request.user)
    return _out(get_object_or_404(documents(request.organisation), pk=made.pk))
