"""Decisions on findings: who mends it until when, and what is accepted for a time. Each is in the trail."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from accounts.models import Membership, Organisation, User
from assay.errors import AssayError, BadInput
from audits.models import Finding
from trail.services import record

__all__ = ["MOST_DAYS", "accept_finding", "assign_finding", "is_open", "reopen_finding", "today_in"]

MOST_DAYS = 366
"""An acceptance is for a time; a longer one is asked for again."""
_MOST_WORDS = 4_000


def today_in(organisation: Organisation) -> datetime.date:
    """The day it is where the organisation is."""
    return timezone.localdate(timezone=ZoneInfo(organisation.timezone))


def is_open(finding: Finding, today: datetime.date) -> bool:
    """Whether somebody has to do something: open, or accepted until a day that has passed."""
    if finding.state == Finding.State.ACCEPTED:
        return finding.accepted_until is None or finding.accepted_until < today
    return finding.state == Finding.State.OPEN


def assign_finding(
    finding: Finding, *, owner: User | None, due: datetime.date | None, cause: str, by: User
) -> Finding:
    """Name who answers for it, until when, and what is known of its cause. The same again changes nothing.

    Raises:
        BadInput: the owner is no member of the organisation.
    """
    cause = _words(cause, "The cause")
    with transaction.atomic():
        finding = Finding.unscoped.select_for_update().get(pk=finding.pk)
        if (
            owner is not None
            and not Membership.objects.of(finding.organisation_id).filter(user=owner).exists()
        ):
            raise BadInput(f"{owner} is no member of this organisation; choose somebody who is.")
        before = (finding.owner_id, finding.due, finding.cause)
        finding.owner, finding.due, finding.cause = owner, due, cause
        if before == (finding.owner_id, finding.due, finding.cause):
            return finding
        finding.save(update_fields=["owner", "due", "cause"])
        record(
            finding.organisation_id,
            "finding.assigned",
            "finding",
            finding.pk,
            actor_id=by.pk,
            facts={
                "number": finding.number,
                "owner": str(owner.pk) if owner else None,
                "due": due.isoformat() if due else None,
            },
            payload={"cause": cause, "owner": str(owner) if owner else ""},
        )
    return finding


def accept_finding(finding: Finding, *, until: datetime.date, reason: str, by: User) -> Finding:
    """Accept the finding until a day, for a reason that is kept. The day after it is open again by itself.

    Raises:
        AssayError: the day has passed or lies more than a year ahead; the reason is missing; the finding is
            mended; somebody accepted it already.
    """
    reason = _words(reason, "The reason")
    today = today_in(finding.organisation)
    if not reason:
        raise BadInput("An acceptance needs a reason: it is shown to reviewers and in the trail.")
    if until < today:
        raise BadInput(f"{until:%-d %B %Y} has passed; accept it until today or a later day.")
    if until > today + datetime.timedelta(days=MOST_DAYS):
        raise BadInput("Nothing is accepted for longer than a year; choose an earlier day, and ask again.")
    with transaction.atomic():
        rows = Finding.unscoped.select_for_update(of=("self",)).select_related("organisation")
        finding = rows.get(pk=finding.pk)
        if finding.state == Finding.State.MENDED:
            raise BadInput(f"F-{finding.number} is mended, so there is nothing to accept.")
        if not is_open(finding, today):
            if finding.accepted_until == until:
                return finding
            raise AssayError(
                f"F-{finding.number} is accepted already, until {finding.accepted_until:%-d %B %Y}; "
                "end that acceptance first.",
                code="conflict",
            )
        finding.state, finding.accepted_until = Finding.State.ACCEPTED, until
        finding.save(update_fields=["state", "accepted_until"])
        record(
            finding.organisation_id,
            "finding.accepted",
            "finding",
            finding.pk,
            actor_id=by.pk,
            facts={"number": finding.number, "until": until.isoformat()},
            payload={"reason": reason},
        )
    return finding


def reopen_finding(finding: Finding, *, reason: str, by: User) -> Finding:
    """End an acceptance before its day. A finding that is open stays so.

    Raises:
        BadInput: the finding is mended (only an audit can find it again).
    """
    reason = _words(reason, "The reason")
    with transaction.atomic():
        finding = Finding.unscoped.select_for_update().get(pk=finding.pk)
        if finding.state == Finding.State.MENDED:
            raise BadInput(f"F-{finding.number} is mended; it opens again when an audit sees it again.")
        if finding.state == Finding.State.OPEN:
            return finding
        finding.state, finding.accepted_until = Finding.State.OPEN, None
        finding.save(update_fields=["state", "accepted_until"])
        record(
            finding.organisation_id,
            "finding.reopened",
            "finding",
            finding.pk,
            actor_id=by.pk,
            facts={"number": finding.number},
            payload={"reason": reason} if reason else None,
        )
    return finding


def _words(text: str, what: str) -> str:
    text = text.strip()
    if len(text) > _MOST_WORDS:
        raise BadInput(f"{what} has {len(text):,} characters; {_MOST_WORDS:,} are the most.")
    if "\x00" in text:
        raise BadInput(f"{what} holds a NUL character, which no text needs.")
    return text
