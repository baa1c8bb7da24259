"""The way of a review: submitted, taken, decided, or withdrawn; replies before it, revocation after it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from accounts.models import Organisation, User
from assay.errors import AssayError, BadInput
from audits.findings_selectors import open_findings
from audits.models import Finding, Run
from compliance.basis import basis_of, bound_evidence, what_changed
from compliance.checklist import checklist_of, filled
from compliance.independence import why_not_independent
from compliance.models import Reply, Review, ReviewState
from compliance.proof import Proof
from compliance.signals import review_decided, review_revoked, review_submitted
from compliance.staleness import recheck_version
from compliance.words import checked, joined, moment, today
from models_registry import files
from models_registry.models import Stage
from trail.services import record

__all__ = [
    "OUTCOMES",
    "decide",
    "give_back",
    "reply",
    "revoke",
    "submit_review",
    "take",
    "unanswered",
    "withdraw",
]

OUTCOMES = (ReviewState.APPROVED, ReviewState.CHANGES, ReviewState.REJECTED)
_ANSWERED_FIRST = ("high", "critical")


def unanswered(run: Run) -> QuerySet[Finding]:
    """Open findings of the run (also those whose acceptance has ended), of high or critical severity, that
    management has not replied to."""
    return (
        open_findings(run.organisation)
        .filter(sightings__run=run, severity__in=_ANSWERED_FIRST)
        .exclude(replies__run=run)
        .order_by("number")
    )


def reply(
    finding: Finding, run: Run, text: str, action: str = "", due: dt.date | None = None, *, by: User
) -> Reply:
    """Management's reply to a finding as one run saw it. A newer reply follows an older one.

    Raises:
        BadInput: the run does not have the finding, or the text is missing or too long.
    """
    if not finding.sightings.filter(run=run).exists():
        raise BadInput(f"{run} does not have the finding F-{finding.number}.")
    text, action = checked(text, "The reply"), checked(action, "The action", required=False)
    with transaction.atomic():
        made: Reply = Reply.objects.create(
            organisation_id=run.organisation_id, finding=finding, run=run, text=text, action=action,
            due=due, by=by,
        )  # fmt: skip
        record(
            run.organisation_id,
            "finding.replied",
            "finding",
            finding.pk,
            actor_id=by.pk,
            facts={"run": str(run.pk), "reply": str(made.pk), "due": due.isoformat() if due else None},
            payload={"text": text, "action": action},
        )
    return made


def submit_review(run: Run, by: User, message: str = "", purpose_stage: str = Stage.APPROVED) -> Review:
    """Ask for a decision on the run's snapshot.

    Raises:
        BadInput: nothing was measured, a finding lacks its reply, or the run is with the reviewers already.
    """
    message = checked(message, "The message", required=False)
    if purpose_stage not in (Stage.APPROVED, Stage.DEPLOYED):
        raise BadInput('An approval is for "approved" or for "deployed".')
    if not run.snapshot_digest:
        raise BadInput(f"{run} has measured nothing yet, so there is nothing to decide on.")
    with transaction.atomic():
        organisation = Organisation.objects.select_for_update().get(pk=run.organisation_id)
        waiting = Review.objects.of(organisation).filter(
            run=run, state__in=(ReviewState.SUBMITTED, ReviewState.IN_REVIEW)
        )
        if (found := waiting.first()) is not None:
            raise AssayError(f"{run} is with the reviewers already, as {found}.", code="conflict")
        if lacking := list(unanswered(run)):
            names = joined([f"F-{f.number} ({f.title})" for f in lacking])
            raise BadInput(f"Management's reply comes before the review; it is lacking for {names}.")
        number = (Review.objects.of(organisation).aggregate(top=Max("number"))["top"] or 0) + 1
        review: Review = Review.objects.create(
            organisation=organisation,
            number=number,
            run=run,
            snapshot_digest=run.snapshot_digest,
            purpose_stage=purpose_stage,
            requested_by=by,
            message=message,
        )
        _note(review, "submitted", by, {"for": str(purpose_stage)}, {"message": message})
        review_submitted.send(Review, review=review)
    return review


def take(review: Review, by: User, *, over: bool = False) -> Review:
    """Begin to review. With `over`, from a colleague who has it; taking one's own again changes nothing.

    Raises:
        AssayError: `conflict`: a colleague has it, or it was decided or withdrawn.
        BadInput: this person is not independent.
    """
    with transaction.atomic():
        review = _locked(review)
        if review.state == ReviewState.IN_REVIEW and review.reviewer_id == by.pk:
            return review
        if not (review.state == ReviewState.SUBMITTED or (over and review.state == ReviewState.IN_REVIEW)):
            raise _faster(review)
        _independent(review, by)
        former = review.reviewer_id
        review.state, review.reviewer, review.taken_at = ReviewState.IN_REVIEW, by, timezone.now()
        _save(review)
        _note(review, "taken", by, {"from": str(former) if former else None})
    return review


def give_back(review: Review, by: User) -> Review:
    """Put a review that one has taken back among those that wait."""
    with transaction.atomic():
        review = _locked(review)
        if review.state == ReviewState.SUBMITTED:
            return review
        _mine(review, by)
        review.state, review.reviewer, review.taken_at = ReviewState.SUBMITTED, None, None
        _save(review)
        _note(review, "given_back", by)
    return review


def withdraw(review: Review, by: User) -> Review:
    """Take the request back before it is decided; once it is withdrawn, doing it again changes nothing.

    Raises:
        AssayError: `conflict`: it was decided.
        BadInput: somebody else asked for the review.
    """
    with transaction.atomic():
        review = _locked(review)
        if review.state == ReviewState.WITHDRAWN:
            return review
        if review.requested_by_id != by.pk:
            raise BadInput(f"Only {review.requested_by}, who asked for {review}, can withdraw it.")
        if not review.open:
            raise _faster(review)
        review.state = ReviewState.WITHDRAWN
        _save(review)
        _note(review, "withdrawn", by)
    return review


def decide(
    review: Review,
    by: User,
    outcome: str,
    reason: str,
    conditions: str = "",
    valid_until: dt.date | None = None,
    checklist: Sequence[Mapping[str, Any]] = (),
    expected_revision: int | None = None,
    *,
    proof: Proof | None = None,
) -> Review:
    """Approve, reject, or ask for changes: the reviewer's word on the snapshot that was submitted.

    Args:
        checklist: [{"text", "done"}]; an approval with an entry left open says its conditions.
        expected_revision: the revision that the reviewer saw; another one means somebody was faster.
        proof: how the reviewer just showed who they are; needed where signers use a second factor.

    Raises:
        AssayError: `conflict`: somebody was faster; nothing was changed.
        BadInput: not independent, a field is wrong, or the snapshot is not what was submitted.
    """
    if outcome not in OUTCOMES:
        raise BadInput(f'"{outcome}" is no decision; there are {joined([str(o) for o in OUTCOMES])}.')
    reason = checked(reason, "The reason")
    conditions = checked(conditions, "The conditions", required=False)
    if settings.ENV.mfa == "signers" and (proof is None or proof.method != "mfa"):
        raise BadInput("Signing here needs a second factor, confirmed within the last minutes.")
    with transaction.atomic():
        review = _locked(review)
        if expected_revision is not None and review.revision != expected_revision:
            raise _faster(review)
        _mine(review, by)
        _independent(review, by)
        evidence = bound_evidence(review)
        entries = checklist_of(review.run, evidence.model_dump(mode="json", by_alias=True))
        review.checklist = filled(entries, checklist)
        review.state, review.reason = ReviewState(outcome), reason
        review.decided_at = timezone.now()
        if outcome == ReviewState.APPROVED:
            _approve(review, conditions, valid_until)
        elif conditions or valid_until:
            raise BadInput("Conditions and an end of validity belong to an approval only.")
        _save(review)
        _note(
            review,
            {"changes": "changes_requested"}.get(outcome, outcome),
            by,
            {
                "result_digest": review.run.result_digest,
                "plan_sha256": review.run.plan_sha256,
                "valid_until": valid_until.isoformat() if valid_until else None,
                "proof": proof.method if proof else None,
                "basis": review.basis,
            },
            {"reason": reason, "conditions": conditions, "checklist": review.checklist},
        )
        if outcome == ReviewState.REJECTED:
            recheck_version(review.run.subject.model_version)
        review_decided.send(Review, review=review)
    return review


def _approve(review: Review, conditions: str, valid_until: dt.date | None) -> None:
    left_open = [entry["text"] for entry in review.checklist if not entry["done"]]
    if left_open and not conditions:
        quoted = joined([f'"{text}"' for text in left_open])
        raise BadInput(f"The checklist leaves {quoted} open: say under which conditions you approve.")
    if valid_until is not None and valid_until < today(review.organisation):
        raise BadInput("The end of validity lies in the past; an approval is valid from today on.")
    review.conditions, review.valid_until = conditions, valid_until
    review.basis, review.lapses_on = basis_of(review)
    if changed := what_changed(review):
        raise BadInput(f"This cannot be approved any more. {changed} Ask for changes: audit again.")


def revoke(review: Review, by: User, reason: str) -> Review:
    """Take an approval back. It stays in the record; revoking it again changes nothing.

    Raises:
        BadInput: it is no approval, or the reason is missing.
    """
    reason = checked(reason, "The reason")
    with transaction.atomic():
        review = _locked(review)
        if review.revoked_at is not None:
            return review
        if review.state != ReviewState.APPROVED:
            raise BadInput(f"{review} is no approval, so there is nothing to revoke.")
        review.revoked_at, review.revoked_by, review.revoked_reason = timezone.now(), by, reason
        _save(review)
        _note(review, "revoked", by, payload={"reason": reason})
        review_revoked.send(Review, review=review)
    return review


def snapshot_of(run: Run) -> dict[str, Any]:
    """The run's stored snapshot as parsed JSON, its file's digest checked but not its schema: for pages."""
    found: dict[str, Any] = json.loads(files.read(run.organisation_id, run.evidence_file))
    return found


def _locked(review: Review) -> Review:
    """The review as it stands now; whoever comes second waits here. Locks organisation, review, trail."""
    Organisation.objects.select_for_update().get(pk=review.organisation_id)
    Review.unscoped.select_for_update().get(pk=review.pk)
    return Review.unscoped.select_related(
        "organisation", "requested_by", "reviewer", "run__policy__policy", "run__system",
        "run__subject__model_version__model", "run__subject__dataset_version__dataset",
    ).get(pk=review.pk)  # fmt: skip


def _save(review: Review) -> None:
    review.revision += 1
    review.save()


def _independent(review: Review, by: User) -> None:
    if why := why_not_independent(review, by):
        raise BadInput(why)


def _mine(review: Review, by: User) -> None:
    """Raise unless `by` has the review in hand."""
    if review.state == ReviewState.SUBMITTED:
        raise BadInput(f"{review} has not been taken yet: take it first.")
    if review.state != ReviewState.IN_REVIEW or review.reviewer_id != by.pk:
        raise _faster(review)


def _faster(review: Review) -> AssayError:
    """Who did what in the meantime."""
    who = str(review.reviewer)
    if review.state == ReviewState.IN_REVIEW and review.taken_at:
        done = f"{who} took {review} on {moment(review.taken_at, review.organisation)} and is reading it."
    elif review.state == ReviewState.WITHDRAWN:
        done = f"{review.requested_by} has withdrawn {review}."
    elif review.state == ReviewState.SUBMITTED:
        done = f"{review} was given back and waits for a reviewer."
    elif review.decided_at:
        word = review.get_state_display().lower()
        done = f"{who} was faster: {word} on {moment(review.decided_at, review.organisation)}."
    else:
        done = f"{review} has changed since you opened it."
    return AssayError(f"{done} Nothing of yours was stored; look at it again.", code="conflict")


def _note(
    review: Review,
    what: str,
    by: User,
    facts: Mapping[str, Any] | None = None,
    payload: Mapping[str, Any] | None = None,
) -> None:
    record(
        review.organisation_id,
        f"review.{what}",
        "review",
        review.pk,
        actor_id=by.pk,
        facts={
            "run": str(review.run_id),
            "snapshot_digest": review.snapshot_digest,
            "revision": review.revision,
            **(facts or {}),
        },
        payload=payload,
    )
