"""Asking for reports, and taking them back."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from assay.errors import AssayError, BadInput
from audits.models import Run
from compliance.models import Review, ReviewState
from jobs import services as jobs
from reports.codes import new_code
from reports.decision import OUTCOME_OF
from reports.models import Document
from trail.services import record

__all__ = ["on_decided", "on_revoked", "on_submitted", "request_document", "revoke"]


def request_document(
    run: Run,
    kind: str,
    by: User | None,
    review: Review | None = None,
    *,
    replacing: Document | None = None,
) -> Document:
    """An edition of the run's report: the one that there is, or a new one on its way.

    One edition for each (run, kind, review), whoever asks how often; one that could not be made is tried
    again. A draft that is there already is made anew only when it is named as `replacing`.

    Raises:
        BadInput: the run has no result; a review is needed or is about another run.
    """
    kind = Document.Kind(kind)
    if not run.snapshot_digest:
        raise BadInput(f"{run} has no result, so there is nothing to report yet.")
    if (review is None) != (kind == Document.Kind.DRAFT):
        raise BadInput("A draft belongs to no review, every other edition to one.")
    if review is not None and (review.run_id, review.snapshot_digest) != (run.pk, run.snapshot_digest):
        raise BadInput(f"{review} is about another result than that of {run}.")
    with transaction.atomic():
        # Whoever asks at the same time waits here, then finds the edition.
        Run.unscoped.select_for_update().get(pk=run.pk)
        found = _present(run, kind, review)
        again = found is not None and found == replacing and found.state == Document.State.READY
        if found is None or again:
            found = Document.objects.create(
                organisation=run.organisation,
                run=run,
                review=review,
                kind=kind,
                snapshot_digest=run.snapshot_digest,
                verification_code=new_code(),
                created_by=by,
            )
        elif found.state != Document.State.FAILED:
            return found
        found.state, found.reason = Document.State.MAKING, ""
        found.job = jobs.submit("report", run.organisation, found.pk, priority=10 if by else 0, by=by)
        found.save(update_fields=["state", "reason", "job"])
    return found


def _present(run: Run, kind: Document.Kind, review: Review | None) -> Document | None:
    rows = Document.unscoped.filter(run=run, kind=kind, review=review).order_by("-created_at", "-pk")
    if review is None:
        rows = rows.filter(superseded_by=None, revoked_at=None)
    return rows.first()


def revoke(document: Document, by: User, reason: str, category: str = Document.Category.OTHER) -> None:
    """Say publicly and at once that a report no longer stands. It cannot be undone.

    Raises:
        BadInput: no reason, or a category that there is not.
        AssayError: (conflict) it was revoked already.
    """
    if not reason.strip():
        raise BadInput("Say why the report is revoked: members will read it.")
    if category not in Document.Category.values:
        raise BadInput(f'There is no category "{category}".')
    with transaction.atomic():
        _record_revoked(document, by, reason, category)
        changed = Document.unscoped.filter(pk=document.pk, revoked_at=None).update(
            revoked_at=timezone.now(), revoked_by=by, revoked_reason=reason.strip(), revoked_category=category
        )
        if not changed:
            raise AssayError("This report was revoked already.", code="conflict")
    document.refresh_from_db()


def _record_revoked(document: Document, by: User | None, reason: str, category: str) -> None:
    record(
        document.organisation_id,
        "report.revoked",
        "report",
        document.pk,
        actor_id=by.pk if by else None,
        facts={"pdf": document.pdf, "snapshot_digest": document.snapshot_digest, "category": str(category)},
        payload={"reason": reason.strip()},
    )


def on_submitted(sender: object, review: Review, **_more: object) -> None:
    """Certify the report as it stands when somebody asks for a decision."""
    request_document(review.run, Document.Kind.CERTIFIED, review.requested_by, review)


def on_decided(sender: object, review: Review, **_more: object) -> None:
    """Countersign the report afresh, with the decision in it."""
    if ReviewState(review.state) in OUTCOME_OF:
        request_document(review.run, Document.Kind.COUNTERSIGNED, review.reviewer, review)


def on_revoked(sender: object, review: Review, **_more: object) -> None:
    """A decision that was taken back takes its countersigned report with it."""
    for document in Document.unscoped.filter(
        review=review, kind=Document.Kind.COUNTERSIGNED, revoked_at=None
    ):
        revoke(
            document,
            review.revoked_by or review.reviewer or review.requested_by,
            review.revoked_reason or "The decision was revoked.",
            Document.Category.DECISION,
        )
