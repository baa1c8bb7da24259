"""What a report of the service carries besides evidence, read from the rows of its run and review."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings

from accounts.models import Membership, Organisation, User
from assay.errors import BadInput
from assay.report.decision import CheckItem, Decision, Person, PublicCheck, Reply, RunListed
from audits.models import Run, RunState
from compliance.models import Reply as ReplyRow
from compliance.models import Review, ReviewState
from reports.models import Document
from trail.models import TrailHead

__all__ = ["OUTCOME_OF", "decision_of", "public_address"]

OUTCOME_OF = {
    ReviewState.APPROVED: "approved",
    ReviewState.REJECTED: "rejected",
    ReviewState.CHANGES: "changes",
}
"""States of a review that a reviewer has decided."""


def public_address(code: str) -> str:
    """Where anybody with the code sees whether the report still stands."""
    return f"{settings.ENV.url}/verify/{code}/"


def decision_of(document: Document, now: datetime) -> Decision:
    """The decision that goes into this edition, as the rows stand.

    Raises:
        BadInput: the review is about another snapshot, or a countersigned edition has no decision to carry.
    """
    run, organisation, review = document.run, document.organisation, document.review
    head = TrailHead.objects.filter(organisation_id=organisation.pk).first()
    outcome = _outcome(document)
    values = {} if review is None else _of_review(review, organisation, decided=outcome != "awaiting")
    until = review.decided_at if review is not None and outcome != "awaiting" else None
    return Decision.model_validate(
        {
            "snapshot_digest": document.snapshot_digest,
            "outcome": outcome,
            "organisation": _text(organisation.name),
            "system": _text(run.system.name),
            "made_at": _instant(now),
            "replies": _replies(run, until or now),
            "runs": _runs(run),
            "trail_head": head.hash if head is not None else "0" * 64,
            "trail_length": head.sequence if head is not None else 0,
            "check": PublicCheck(
                url=public_address(document.verification_code), code=document.verification_code
            ),
            **values,
        }
    )


def _outcome(document: Document) -> str:
    if document.kind == Document.Kind.DRAFT:
        return "draft"
    if document.review is None or document.review.snapshot_digest != document.snapshot_digest:
        raise BadInput("The review is about another result than this report.")
    if document.kind == Document.Kind.CERTIFIED:
        return "awaiting"
    try:
        return OUTCOME_OF[ReviewState(document.review.state)]
    except KeyError:
        raise BadInput("The review has no decision, so there is nothing to countersign.") from None


def _of_review(review: Review, organisation: Organisation, *, decided: bool) -> dict[str, object]:
    found: dict[str, object] = {
        "review": review.number,
        "requester": _person(review.requested_by, organisation),
        "requested_at": _instant(review.requested_at),
        "message": _text(review.message),
        "purpose": review.get_purpose_stage_display(),
    }
    if decided:
        if review.reviewer is None or review.decided_at is None:
            raise BadInput("The review has no reviewer or no time, so there is nothing to countersign.")
        found |= {
            "reviewer": _person(review.reviewer, organisation),
            "decided_at": _instant(review.decided_at),
            "reason": _text(review.reason),
            "conditions": _text(review.conditions),
            "valid_until": review.valid_until.isoformat() if review.valid_until else None,
            "checklist": [
                CheckItem(text=_text(str(item.get("text", ""))), done=bool(item.get("done")))
                for item in review.checklist
            ],
        }
    return found


def _person(user: User, organisation: Organisation) -> Person:
    member = Membership.objects.of(organisation).filter(user=user).first()
    return Person(name=_name(user), role=member.get_role_display() if member is not None else "former member")


def _name(user: User) -> str:
    """As printed; never the address, which a report need not tell."""
    return _text(user.name) or "somebody without a name"


def _replies(run: Run, until: datetime) -> list[Reply]:
    rows = (
        ReplyRow.objects.of(run.organisation_id)
        .filter(run=run, at__lte=until)
        .select_related("finding", "by")
        .order_by("finding__number", "at")
    )
    return [
        Reply(
            finding=f"F-{row.finding.number}",
            title=_text(row.finding.title),
            text=_text(row.text),
            action=_text(row.action),
            due=row.due.isoformat() if row.due else None,
            by=_name(row.by),
            at=_instant(row.at),
        )
        for row in rows
    ]


def _runs(run: Run) -> list[RunListed]:
    rows = (
        Run.objects.of(run.organisation_id)
        .filter(subject__model_version_id=run.subject.model_version_id)
        .exclude(state=RunState.DRAFT)
        .order_by("number")
    )
    return [
        RunListed(
            number=row.number,
            state=row.get_state_display(),
            outcome=row.outcome,
            created_at=_instant(row.created_at),
            reason=_text(row.reason),
            snapshot_digest=row.snapshot_digest or None,
            this=row.pk == run.pk,
        )
        for row in rows
    ]


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(words: str) -> str:
    """Text that canonical JSON can hold: half a surrogate pair becomes a question mark."""
    return words.encode("utf-8", "replace").decode("utf-8")
