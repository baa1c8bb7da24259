"""The API of the trail."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from ninja import Field, Query, Router, Schema, Status

from accounts.api_auth import require
from accounts.paging import Paging
from trail.selectors import entries_of, head_of
from trail.services import erase_payload, verify

router = Router(tags=["trail"])


class TrailEntryOut(Schema):
    """An entry of the chain."""

    id: uuid.UUID
    sequence: int = Field(examples=[118])
    at: datetime
    actor: uuid.UUID | None = Field(description="The user; null for the service itself.")
    action: str = Field(examples=["review.approved"])
    target_kind: str = Field(examples=["review"])
    target: uuid.UUID
    facts: dict[str, Any]
    payload: dict[str, Any] | None = Field(
        description="Words and names; null where there are none or erased."
    )
    payload_digest: str
    previous: str
    hash: str


class TrailQuery(Paging):
    """Which entries."""

    action: str = Field(
        "", max_length=80, pattern=r"^[a-z._]*$", description="Only this action, such as `review.approved`."
    )
    actor: uuid.UUID | None = Field(None, description="Only what this user did.")
    target: uuid.UUID | None = Field(None, description="Only what was done to this.")


class TrailOut(Schema):
    """A page of the trail, the newest entry first."""

    count: int
    head: str = Field(description="Hash of the last entry.", examples=["9f3c" + "0" * 60])
    items: list[TrailEntryOut]


class ChainOut(Schema):
    """Whether the chain holds."""

    holds: bool = Field(examples=[True])
    entries: int = Field(examples=[118])
    head: str
    broken_at: int | None = Field(default=None, description="Number of the first entry that is wrong.")
    why: str | None = None


@router.get("/trail", response=TrailOut, summary="Who decided what, when")
def list_trail(request: Any, asked: Query[TrailQuery]) -> dict[str, Any]:
    request = require(request, "read_trail")
    found = entries_of(request.organisation.pk)
    if asked.action:
        found = found.filter(action=asked.action)
    if asked.actor is not None:
        found = found.filter(actor_id=asked.actor)
    if asked.target is not None:
        found = found.filter(target_id=asked.target)
    items = []
    for entry in asked.of(found):
        payload = getattr(entry, "payload", None)
        items.append(
            {
                "id": entry.id,
                "sequence": entry.sequence,
                "at": entry.at,
                "actor": entry.actor_id,
                "action": entry.action,
                "target_kind": entry.target_kind,
                "target": entry.target_id,
                "facts": entry.facts,
                "payload": None if payload is None or payload.erased_at else payload.content,
                "payload_digest": entry.payload_digest,
                "previous": entry.previous,
                "hash": entry.hash,
            }
        )
    return {"count": found.count(), "head": head_of(request.organisation.pk).hash, "items": items}


@router.post("/trail/{uuid:entry_id}/erase", response={204: None}, summary="Erase an entry's words for good")
def erase_words(request: Any, entry_id: uuid.UUID) -> Status[None]:
    """It cannot be undone. Names and reasons go; the chain still holds, and the erasing is an entry of it."""
    request = require(request, "manage_organisation")
    entry = get_object_or_404(entries_of(request.organisation.pk), pk=entry_id)
    erase_payload(entry, actor_id=request.user.pk)
    return Status(204, None)


@router.get("/trail/check", response=ChainOut, summary="Recompute the whole chain")
def check_trail(request: Any) -> dict[str, Any]:
    request = require(request, "read_trail")
    broken = verify(request.organisation.pk)
    head = head_of(request.organisation.pk)
    return {
        "holds": broken is None,
        "entries": head.sequence,
        "head": head.hash,
        "broken_at": broken.sequence if broken else None,
        "why": broken.why if broken else None,
    }
