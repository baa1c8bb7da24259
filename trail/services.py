"""Writing the chain, and checking it."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from assay.canonical import canonical_json
from trail.models import TrailEntry, TrailHead, TrailPayload

__all__ = ["Broken", "erase_payload", "record", "verify"]

SCHEMA = "assay.trail/1"


def record(
    organisation_id: uuid.UUID,
    action: str,
    target_kind: str,
    target_id: uuid.UUID,
    *,
    actor_id: uuid.UUID | None = None,
    facts: Mapping[str, Any] | None = None,
    payload: Mapping[str, Any] | None = None,
) -> TrailEntry:
    """Add an entry to the organisation's chain, in the caller's transaction.

    Args:
        facts: digests, ids, numbers. They can never be erased: nothing personal.
        payload: words and names; kept apart under a salted digest, erasable.
    """
    with transaction.atomic():
        TrailHead.objects.get_or_create(organisation_id=organisation_id)
        head = TrailHead.objects.select_for_update().get(organisation_id=organisation_id)
        salt = secrets.token_hex(16) if payload else ""
        entry = TrailEntry(
            organisation_id=organisation_id,
            sequence=head.sequence + 1,
            at=timezone.now().replace(microsecond=0),
            actor_id=actor_id,
            action=action,
            target_kind=target_kind,
            target_id=target_id,
            facts=dict(facts or {}),
            payload_digest=_payload_digest(salt, payload) if payload else "",
            previous=head.hash,
        )
        entry.hash = entry_hash(entry)
        entry.save(force_insert=True)
        if payload:
            TrailPayload.objects.create(entry=entry, salt=salt, content=dict(payload))
        head.sequence, head.hash = entry.sequence, entry.hash
        head.save()
    return entry


def entry_hash(entry: TrailEntry) -> str:
    """SHA-256 of the previous hash and the canonical JSON of the entry."""
    row = {
        "schema": SCHEMA,
        "id": str(entry.id),
        "organisation": str(entry.organisation_id),
        "sequence": entry.sequence,
        "at": entry.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "actor": str(entry.actor_id) if entry.actor_id else None,
        "action": entry.action,
        "target_kind": entry.target_kind,
        "target": str(entry.target_id),
        "facts": entry.facts,
        "payload": entry.payload_digest,
    }
    return hashlib.sha256(bytes.fromhex(entry.previous) + canonical_json(row)).hexdigest()


def _payload_digest(salt: str, payload: Mapping[str, Any]) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + canonical_json(dict(payload))).hexdigest()


def erase_payload(entry: TrailEntry) -> None:
    """Forget the words of an entry; the chain stays whole. Recorded as an entry of its own."""
    with transaction.atomic():
        TrailPayload.objects.filter(entry=entry).update(content={}, salt="", erased_at=timezone.now())
        record(entry.organisation_id, "trail.erased", "trail", entry.id, facts={"sequence": entry.sequence})


class Broken(NamedTuple):
    """The first place where a chain does not hold."""

    organisation_id: uuid.UUID
    sequence: int
    why: str


def verify(organisation_id: uuid.UUID) -> Broken | None:
    """Recompute the whole chain of an organisation; None where it holds."""
    previous, expected = "0" * 64, 1
    for entry in _entries(organisation_id):
        if entry.sequence != expected:
            return Broken(organisation_id, expected, f"entry {expected} is missing")
        if entry.previous != previous:
            return Broken(organisation_id, entry.sequence, "it does not follow from the entry before it")
        if entry_hash(entry) != entry.hash:
            return Broken(organisation_id, entry.sequence, "its content was altered")
        payload = getattr(entry, "payload", None)
        if entry.payload_digest and payload is None:
            return Broken(organisation_id, entry.sequence, "its payload was removed instead of erased")
        if payload is not None and _altered(entry, payload):
            return Broken(organisation_id, entry.sequence, "its payload was altered")
        previous, expected = entry.hash, expected + 1
    head = TrailHead.objects.filter(organisation_id=organisation_id).first()
    if head is not None and (head.sequence, head.hash) != (expected - 1, previous):
        return Broken(organisation_id, head.sequence, "entries at the end are missing")
    return None


def _altered(entry: TrailEntry, payload: TrailPayload) -> bool:
    erased = payload.erased_at is not None
    return not erased and _payload_digest(payload.salt, payload.content) != entry.payload_digest


def _entries(organisation_id: uuid.UUID) -> Iterator[TrailEntry]:
    rows = TrailEntry.objects.filter(organisation_id=organisation_id).select_related("payload")
    return rows.order_by("sequence").iterator(chunk_size=1000)
