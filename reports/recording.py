"""Storing what a report job came to, inside the transaction that ends it.

Writers take the trail's lock first and documents' rows after it, always in this order.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jobs.models import Job
from reports.models import Document
from trail.services import record

__all__ = ["record_failure", "record_made", "standing_order"]

_RANKS = {Document.Kind.DRAFT: 0, Document.Kind.CERTIFIED: 1, Document.Kind.COUNTERSIGNED: 2}


def record_made(job: Job, made: Mapping[str, Any]) -> None:
    """The document is ready, what it replaces is superseded. A job that lost its document does nothing."""
    found = Document.unscoped.filter(pk=job.target_id, job=job, state=Document.State.MAKING).first()
    if found is None:
        return
    record(
        found.organisation_id,
        "report.made",
        "report",
        found.pk,
        facts={
            "kind": found.kind,
            "run": str(found.run_id),
            "review": str(found.review_id) if found.review_id else None,
            "snapshot_digest": found.snapshot_digest,
            "pdf": made["pdf"],
            "html": made["html"],
            "trail_head": made["trail_head"],
        },
    )
    document = Document.unscoped.select_for_update().get(pk=found.pk)
    document.state, document.reason = Document.State.READY, ""
    document.pdf, document.html, document.trail_head = made["pdf"], made["html"], made["trail_head"]
    document.facts, document.made_at = dict(made["facts"]), datetime.fromisoformat(made["made_at"])
    _supersede(document)
    document.save()


def record_failure(job: Job, why: str) -> None:
    Document.unscoped.filter(pk=job.target_id, job=job, state=Document.State.MAKING).update(
        state=Document.State.FAILED, reason=why
    )


def standing_order(document: Document) -> tuple[int, int]:
    """Of two editions of one run, the higher stands: by review, then certified before countersigned."""
    return (document.review.number if document.review else 0, _RANKS[Document.Kind(document.kind)])


def _supersede(document: Document) -> None:
    """Older editions of the same run point to this one; or this one, made late, to the one that stands."""
    others = [
        other
        for other in Document.unscoped.select_for_update(of=("self",))
        .select_related("review")
        .filter(run=document.run, superseded_by=None)
        .exclude(pk=document.pk)
        .order_by("created_at", "pk")
        if other.kind == Document.Kind.DRAFT or document.kind != Document.Kind.DRAFT
    ]
    mine = standing_order(document)
    for other in others:
        order = standing_order(other)
        older = order < mine or (order == mine and other.created_at <= document.created_at)
        if older and other.state != Document.State.FAILED:
            other.superseded_by = document
            other.save(update_fields=["superseded_by"])
        elif not older and other.state == Document.State.READY:
            document.superseded_by = other
