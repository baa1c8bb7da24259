"""The API of compliance: reviews, replies, stages, coverage of controls. It calls what the pages call."""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from ninja import Query, Router

from accounts.api_auth import require
from accounts.models import User
from audits.models import Finding, Run
from compliance import api_schemas as s
from compliance import selectors, services
from compliance.attesting import attest, withdraw_attestation
from compliance.coverage import ControlCoverage, coverage_of
from compliance.frameworks import Framework, find_framework, frameworks
from compliance.models import Attestation, Reply, Review, ReviewState, StageChange
from compliance.proof import Proof
from compliance.stages import approval_for, change_stage, why_not_up
from compliance.standing import standing_of
from models_registry.models import AISystem, ModelVersion, Stage

router = Router(tags=["compliance"])

Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]


def _person(user: User) -> dict[str, Any]:
    return {"id": user.pk, "name": str(user)}


def _review(review: Review) -> dict[str, Any]:
    standing, version = standing_of(review), review.run.subject.model_version
    return {
        "id": review.pk,
        "number": review.number,
        "run": review.run_id,
        "run_number": review.run.number,
        "system": str(review.run.system),
        "version": str(version),
        "model_version": version.pk,
        "snapshot_digest": review.snapshot_digest,
        "purpose_stage": review.purpose_stage,
        "state": review.state,
        "standing": standing.key,
        "standing_sentence": standing.sentence,
        "revision": review.revision,
        "requested_by": _person(review.requested_by),
        "requested_at": review.requested_at,
        "message": review.message,
        "reviewer": _person(review.reviewer) if review.reviewer else None,
        "taken_at": review.taken_at,
        "checklist": review.checklist,
        "reason": review.reason,
        "conditions": review.conditions,
        "valid_until": review.valid_until,
        "decided_at": review.decided_at,
        "revoked_at": review.revoked_at,
        "revoked_reason": review.revoked_reason,
    }


def _find(request: Any, pk: uuid.UUID) -> Review:
    found: Review = get_object_or_404(selectors.with_names(request.organisation), pk=pk)
    return found


def _again(request: Any, pk: uuid.UUID) -> dict[str, Any]:
    return _review(_find(request, pk))


@router.get("/reviews", response=s.ReviewsOut, summary="Reviews, the newest first")
def list_reviews(
    request: Any, state: ReviewState | None = None, limit: Limit = 50, offset: Offset = 0
) -> dict[str, Any]:
    request = require(request, "read")
    found = Review.objects.of(request.organisation).order_by("-requested_at", "pk")
    if state is not None:
        found = found.filter(state=state)
    # which ones first: joined to all that a line names, the sorting would read every review's plan and policy
    keys = list(found.values_list("pk", flat=True)[offset : offset + limit])
    named = {r.pk: r for r in selectors.in_lists(request.organisation).filter(pk__in=keys)}
    return {"count": found.count(), "items": [_review(named[key]) for key in keys]}


@router.get("/reviews/{pk}", response=s.ReviewOut, summary="One review")
def get_review(request: Any, pk: uuid.UUID) -> dict[str, Any]:
    request = require(request, "read")
    return _again(request, pk)


@router.post("/reviews", response={201: s.ReviewOut}, summary="Submit a measured run for review")
def submit(request: Any, body: s.SubmitIn) -> dict[str, Any]:
    request = require(request, "submit")
    run = get_object_or_404(Run.objects.of(request.organisation), pk=body.run)
    made = services.submit_review(run, request.user, body.message, body.purpose_stage)
    return _again(request, made.pk)


@router.post("/reviews/{pk}/take", response=s.ReviewOut, summary="Begin to review")
def take(request: Any, pk: uuid.UUID, body: s.TakeIn) -> dict[str, Any]:
    request = require(request, "review")
    services.take(_find(request, pk), request.user, over=body.over)
    return _again(request, pk)


@router.post("/reviews/{pk}/give-back", response=s.ReviewOut, summary="Put a review back")
def give_back(request: Any, pk: uuid.UUID) -> dict[str, Any]:
    request = require(request, "review")
    services.give_back(_find(request, pk), request.user)
    return _again(request, pk)


@router.post("/reviews/{pk}/decision", response=s.ReviewOut, summary="Approve, reject or ask for changes")
def decide(request: Any, pk: uuid.UUID, body: s.DecisionIn) -> dict[str, Any]:
    """Needs the scope `review`. Where signers use a second factor, decide in the portal."""
    request = require(request, "review")
    services.decide(
        _find(request, pk),
        request.user,
        body.outcome,
        body.reason,
        body.conditions,
        body.valid_until,
        [entry.dict() for entry in body.checklist],
        body.revision,
        proof=Proof("token", time.time()),
    )
    return _again(request, pk)


@router.post("/reviews/{pk}/withdraw", response=s.ReviewOut, summary="Withdraw a request")
def withdraw(request: Any, pk: uuid.UUID) -> dict[str, Any]:
    request = require(request, "submit")
    services.withdraw(_find(request, pk), request.user)
    return _again(request, pk)


@router.post("/reviews/{pk}/revoke", response=s.ReviewOut, summary="Revoke an approval")
def revoke(request: Any, pk: uuid.UUID, body: s.ReasonIn) -> dict[str, Any]:
    request = require(request, "revoke")
    services.revoke(_find(request, pk), request.user, body.reason)
    return _again(request, pk)


def _reply(reply: Reply) -> dict[str, Any]:
    return {
        "id": reply.pk,
        "run": reply.run_id,
        "text": reply.text,
        "action": reply.action,
        "due": reply.due,
        "by": _person(reply.by),
        "at": reply.at,
    }


@router.get("/findings/{pk}/replies", response=s.RepliesOut, summary="Management's replies to a finding")
def list_replies(request: Any, pk: uuid.UUID, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    request = require(request, "read")
    finding = get_object_or_404(Finding.objects.of(request.organisation), pk=pk)
    found = Reply.objects.of(request.organisation).filter(finding=finding).select_related("by")
    page = found.order_by("-at")[offset : offset + limit]
    return {"count": found.count(), "items": [_reply(r) for r in page]}


@router.post("/findings/{pk}/replies", response={201: s.ReplyOut}, summary="Reply to a finding")
def reply(request: Any, pk: uuid.UUID, body: s.ReplyIn) -> dict[str, Any]:
    request = require(request, "reply")
    finding = get_object_or_404(Finding.objects.of(request.organisation), pk=pk)
    run = get_object_or_404(Run.objects.of(request.organisation), pk=body.run)
    return _reply(services.reply(finding, run, body.text, body.action, body.due, by=request.user))


def _change(change: StageChange) -> dict[str, Any]:
    return {
        "id": change.pk,
        "before": change.before,
        "after": change.after,
        "review": change.review_id,
        "reason": change.reason,
        "by": _person(change.by) if change.by else None,
        "at": change.at,
    }


def _version(request: Any, pk: uuid.UUID) -> ModelVersion:
    found: ModelVersion = get_object_or_404(
        ModelVersion.objects.of(request.organisation).select_related("model"), pk=pk
    )
    return found


@router.get(
    "/model-versions/{pk}/stage-changes", response=s.StageChangesOut, summary="A version's way so far"
)
def list_stage_changes(request: Any, pk: uuid.UUID, limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    request = require(request, "read")
    version = _version(request, pk)
    found = selectors.stage_changes(version)
    return {
        "stage": version.stage,
        "blocked": why_not_up(approval_for(version), Stage.APPROVED),
        "count": found.count(),
        "items": [_change(c) for c in found[offset : offset + limit]],
    }


@router.post("/model-versions/{pk}/stage-changes", response={201: s.StageChangeOut}, summary="Move a version")
def move(request: Any, pk: uuid.UUID, body: s.StageIn) -> dict[str, Any]:
    request = require(request, "promote")
    made = change_stage(
        _version(request, pk),
        body.after,
        request.user,
        body.reason,
        former=body.former,
        expected=body.expected,
    )
    return _change(made)


def _framework(framework: Framework) -> dict[str, Any]:
    return {
        "name": framework.name,
        "slug": framework.slug,
        "version": framework.version,
        "controls": len(framework.controls),
        "uncertain": framework.uncertain,
    }


@router.get("/frameworks", response=list[s.FrameworkOut], summary="Frameworks whose controls are known")
def list_frameworks(request: Any) -> list[dict[str, Any]]:
    require(request, "read")
    return [_framework(f) for f in frameworks()]


def _attestation(said: Attestation) -> dict[str, Any]:
    return {
        "id": said.pk,
        "applies": said.applies,
        "text": said.text,
        "by": _person(said.by),
        "at": said.at,
        "valid_until": said.valid_until,
    }


def _control(row: ControlCoverage) -> dict[str, Any]:
    return {
        "id": row.control.id,
        "title": row.control.title,
        "asks": row.control.asks,
        "evidence": list(row.control.evidence),
        "status": row.control.status,
        "uncertain": row.control.uncertain,
        "note": row.control.note,
        "state": row.state,
        "found": list(row.found),
        "lacking": list(row.lacking),
        "attestation": _attestation(row.attestation) if row.attestation else None,
        "attestation_ended": row.ended,
    }


def _system(request: Any, pk: uuid.UUID) -> AISystem:
    found: AISystem = get_object_or_404(
        AISystem.objects.of(request.organisation).select_related("organisation"), pk=pk
    )
    return found


@router.get("/systems/{pk}/controls", response=s.CoverageOut, summary="Coverage of a framework's controls")
def controls(request: Any, pk: uuid.UUID, framework: str = "eu-ai-act") -> dict[str, Any]:
    request = require(request, "read")
    system = _system(request, pk)
    found = find_framework(framework)
    if found is None:
        raise Http404
    shown, (coverage,) = coverage_of(request.organisation, [system], [found])[system.pk]
    return {
        "framework": _framework(found),
        "runs": [run.pk for run in shown.runs],
        "counts": coverage.counts,
        "sentence": coverage.sentence,
        "controls": [_control(row) for row in coverage.rows],
    }


@router.post("/systems/{pk}/attestations", response={201: s.AttestationOut}, summary="Attest a control")
def add_attestation(request: Any, pk: uuid.UUID, body: s.AttestIn) -> dict[str, Any]:
    request = require(request, "reply")
    made = attest(
        _system(request, pk),
        body.framework,
        body.control,
        body.text,
        body.valid_until,
        by=request.user,
        applies=body.applies,
    )
    return _attestation(made)


@router.post("/attestations/{pk}/withdraw", response={204: None}, summary="Withdraw an attestation")
def remove_attestation(request: Any, pk: uuid.UUID) -> None:
    request = require(request, "reply")
    withdraw_attestation(get_object_or_404(Attestation.objects.of(request.organisation), pk=pk), request.user)
