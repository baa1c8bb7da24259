"""The API of remediations: what could repair an audit's model, and the remedies that were begun."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema, Status
from pydantic import ConfigDict, Field

from accounts.api_auth import require
from accounts.models import Organisation
from audits.models import Finding, Policy, Run
from remediations.choices import choices_of
from remediations.models import RemedyRun, SensitiveRefusal
from remediations.selectors import progress_of, remedies_of, remedy_title
from remediations.services import cancel_remedy, refuse_sensitive, start_remedy

__all__ = ["router"]

router = Router(tags=["remediations"])


class ChoiceOut(Schema):
    """A remedy as it could be applied to an audit's model."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "training.fine_tune",
                "title": "Fine-tuning",
                "summary": "The model trained further on the training rows.",
                "needs": ["a model that can be trained", "the training rows"],
                "sensitive": "Reads sensitive columns in training only.",
                "available": True,
                "reason": None,
                "seconds": 42.0,
                "params_schema": {"type": "object"},
            }
        }
    )

    id: str
    title: str
    summary: str
    needs: list[str]
    sensitive: str
    available: bool
    reason: str | None = Field(description="Why it cannot be applied, and what would be needed.")
    seconds: float | None = Field(description="Estimated, with its usual parameters.")
    params_schema: dict[str, Any] = Field(description="JSON schema of its parameters.")


class RemedyIn(Schema):
    """A remedy to begin."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"remedy": "training.fine_tune", "params": {"epochs": 5}, "seed": 0, "finding": None}
        },
    )

    remedy: str = Field(max_length=120)
    params: dict[str, Any] = Field(default_factory=dict, description="What differs from its defaults.")
    seed: int = Field(0, ge=0, le=2**31 - 1)
    finding: uuid.UUID | None = Field(None, description="The finding that it is to repair.")
    key: uuid.UUID | None = Field(None, description="Id of the new remedy; the same again makes no second.")


class RemedyGate(Schema):
    """What the gate says of the candidate."""

    exit_code: int = Field(description="0 let through, 1 something was lost, 2 not comparable, 3 undecided.")
    sentence: str
    reasons: list[str]


class RemedyOut(Schema):
    """A remedy that was begun."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "0b9f5a63-5d0e-4e57-a4a6-0a4f27c2f7ab",
                "number": 7,
                "remedy": "training.fine_tune",
                "title": "Fine-tuning",
                "params": {"epochs": 5},
                "seed": 0,
                "state": "done",
                "reason": "",
                "progress": None,
                "doing": "",
                "epoch": None,
                "epochs": None,
                "estimate_seconds": 42.0,
                "baseline": "6a0f8bb3-2c5d-4b29-8a7e-0e1c9f2d4b10",
                "finding": None,
                "model_version": "7f6c2d0e-6f4e-4a8f-9d0b-2f1f8f0f1c11",
                "candidate": "9e9f7b2c-3f42-4f51-8a3c-6b7f0c5d1e33",
                "run": "1d2c3b4a-5f6e-4d7c-8b9a-0f1e2d3c4b5a",
                "gate": {
                    "exit_code": 0,
                    "sentence": "Let through: none of 9 decisive quantities is worse beyond its tolerance.",
                    "reasons": [],
                },
                "created_at": "2026-11-28T21:00:00Z",
                "ended_at": "2026-11-28T21:01:12Z",
                "created_by": "Robin",
            }
        }
    )

    id: uuid.UUID
    number: int
    remedy: str
    title: str
    params: dict[str, Any]
    seed: int
    state: str
    reason: str
    progress: float | None = Field(description="Done share of the present step, while it works.")
    doing: str
    epoch: int | None
    epochs: int | None
    estimate_seconds: float
    baseline: uuid.UUID = Field(description="The audit whose plan is repeated.")
    finding: uuid.UUID | None
    model_version: uuid.UUID
    candidate: uuid.UUID | None
    run: uuid.UUID | None = Field(description="The candidate's audit.")
    gate: RemedyGate | None
    created_at: datetime
    ended_at: datetime | None
    created_by: str


class Remedies(Schema):
    """A page of remedies."""

    total: int
    items: list[RemedyOut]


class RulesIn(Schema):
    """Where models that read sensitive columns when they decide are refused."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"everywhere": False, "policies": ["7b2a1908-0706-4e51-9d9f-3c6a1be0f355"]}
        },
    )

    everywhere: bool = Field(description="In all audits of the organisation.")
    policies: list[uuid.UUID] = Field(max_length=1_000, description="In audits under these policies.")


class RulesOut(Schema):
    everywhere: bool = Field(examples=[False])
    policies: list[uuid.UUID]


@router.get("/audits/{uuid:run_id}/remedies", response=list[ChoiceOut])
def list_choices(request: Any, run_id: uuid.UUID) -> list[dict[str, Any]]:
    """Every remedy, whether it can be applied to the audit's model, and why not."""
    request = require(request, "read")
    return [
        {
            "id": one.spec.id,
            "title": one.spec.title,
            "summary": one.spec.summary,
            "needs": one.needs,
            "sensitive": one.sensitive,
            "available": one.reason is None,
            "reason": one.reason,
            "seconds": one.seconds,
            "params_schema": one.remedy.Params.model_json_schema(),
        }
        for one in choices_of(_run(request, run_id))
    ]


@router.post("/audits/{uuid:run_id}/remedies", response={201: RemedyOut})
def begin_remedy(request: Any, run_id: uuid.UUID, body: RemedyIn) -> Status[dict[str, Any]]:
    """Make a candidate; its audit with the same plan follows by itself."""
    request = require(request, "audit")
    finding = None
    if body.finding is not None:
        finding = get_object_or_404(Finding.objects.of(request.organisation), pk=body.finding)
    made = start_remedy(
        _run(request, run_id),
        body.remedy,
        body.params,
        body.seed,
        by=request.user,
        finding=finding,
        key=body.key,
    )
    return Status(201, _out(made, True))


@router.get("/remedies", response=Remedies)
def list_remedies(
    request: Any,
    limit: int = Query(50, ge=1, le=100),  # type: ignore[type-arg]
    offset: int = Query(0, ge=0, le=1_000_000),  # type: ignore[type-arg]
) -> dict[str, Any]:
    """Remedies, newest first; progress is told for one at a time."""
    request = require(request, "read")
    rows = RemedyRun.objects.of(request.organisation).select_related("created_by").order_by("-number")
    rows = rows.defer("changes")
    return {"total": rows.count(), "items": [_out(one, False) for one in rows[offset : offset + limit]]}


@router.get("/remedies/{uuid:remedy_id}", response=RemedyOut)
def get_remedy(request: Any, remedy_id: uuid.UUID) -> dict[str, Any]:
    """One remedy, with its progress while it works."""
    request = require(request, "read")
    return _out(_get(request, remedy_id), True)


@router.post("/remedies/{uuid:remedy_id}/cancel", response=RemedyOut)
def stop_remedy(request: Any, remedy_id: uuid.UUID) -> dict[str, Any]:
    """Stop the training or the candidate's audit; a candidate that was made stays."""
    request = require(request, "audit")
    cancel_remedy(_get(request, remedy_id), by=request.user)
    return _out(_get(request, remedy_id), True)


@router.get("/remedies/rules", response=RulesOut, summary="Where sensitive columns are refused")
def get_rules(request: Any) -> dict[str, Any]:
    """Models that read sensitive columns when they decide are refused there."""
    request = require(request, "read")
    return _rules(request.organisation)


@router.put("/remedies/rules", response=RulesOut, summary="Say where sensitive columns are refused")
def set_rules(request: Any, body: RulesIn) -> dict[str, Any]:
    """Replaces what was said before."""
    request = require(request, "write_policy")
    known = Policy.objects.of(request.organisation).filter(pk__in=body.policies)
    if len(known) < len(set(body.policies)):
        raise Http404
    refuse_sensitive(request.organisation, everywhere=body.everywhere, policies=known, by=request.user)
    return _rules(request.organisation)


def _rules(organisation: Organisation) -> dict[str, Any]:
    rows = set(SensitiveRefusal.objects.of(organisation).values_list("policy_id", flat=True))
    return {"everywhere": None in rows, "policies": sorted(key for key in rows if key is not None)}


def _run(request: Any, key: uuid.UUID) -> Run:
    rows = Run.objects.of(request.organisation).select_related(
        "system", "policy__policy", "subject__model_version__model", "subject__dataset_version__dataset"
    )
    found: Run = get_object_or_404(rows, pk=key)
    return found


def _get(request: Any, key: uuid.UUID) -> RemedyRun:
    found: RemedyRun = get_object_or_404(remedies_of(request.organisation), pk=key)
    return found


def _out(one: RemedyRun, live: bool) -> dict[str, Any]:
    now = progress_of(one) if live else None
    return {
        "id": one.pk,
        "number": one.number,
        "remedy": one.remedy,
        "title": remedy_title(one.remedy),
        "params": one.params,
        "seed": one.seed,
        "state": one.state,
        "reason": one.reason,
        "progress": now.share if now else None,
        "doing": now.doing if now else "",
        "epoch": now.epoch if now else None,
        "epochs": now.epochs if now else None,
        "estimate_seconds": one.estimate_seconds,
        "baseline": one.baseline_id,
        "finding": one.finding_id,
        "model_version": one.model_version_id,
        "candidate": one.candidate_id,
        "run": one.run_id,
        "gate": {key: one.gate[key] for key in ("exit_code", "sentence", "reasons")} if one.gate else None,
        "created_at": one.created_at,
        "ended_at": one.ended_at,
        "created_by": str(one.created_by),
    }
