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

__all__ = ["Broken", "entry_hash", "erase_payload", "record", "verify"]

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
        head = _locked_head(organisation_id)
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


def _locked_head(organisation_id: uuid.UUID) -> TrailHead:
    """The chain's end; whoever else writes to this chain waits until the transaction is over."""
    rows = TrailHead.objects.select_for_update().filter(organisation_id=organisation_id)
    if (head := rows.first()) is None:
        TrailHead.objects.get_or_create(organisation_id=organisation_id)
        head = rows.get()
    return head


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


def erase_payload(entry: TrailEntry, *, actor_id: uuid.UUID | None = None) -> None:
    """Forget the words of an entry; the chain stays whole. Recorded as an entry of its own."""
    with transaction.atomic():
        changed = TrailPayload.objects.filter(entry=entry, erased_at=None).update(
            content={}, salt="", erased_at=timezone.now()
        )
        if changed:
            record(
                entry.organisation_id,
                "trail.erased",
                "trail",
                entry.id,
                actor_id=actor_id,
                facts={"sequence": entry.sequence},
            )


class Broken(NamedTuple):
    """The first place where a chain does not hold."""

    organisation_id: uuid.UUID
    sequence: int
    why: str


def verify(organisation_id: uuid.UUID) -> Broken | None:
    """Recompute the whole chain of an organisation; None where it holds.

    It finds what was changed, reordered, removed or put in between, a payload that was changed or removed,
    and one that was emptied without the erasing being recorded. Somebody who rewrites every later entry and
    the head as well is found by an earlier head that is kept elsewhere: each report carries one.
    """
    before = _head(organisation_id)
    previous, expected, at_before = "0" * 64, 1, "0" * 64
    erased: dict[uuid.UUID, int] = {}
    for entry in _entries(organisation_id):
        if why := _wrong(entry, previous, expected):
            return Broken(organisation_id, min(entry.sequence, expected), why)
        payload = getattr(entry, "payload", None)
        if payload is not None and payload.erased_at is not None:
            erased[entry.id] = entry.sequence
        if entry.action == "trail.erased":
            erased.pop(entry.target_id, None)
        if entry.sequence == before.sequence:
            at_before = entry.hash
        previous, expected = entry.hash, expected + 1
    if erased:
        return Broken(organisation_id, min(erased.values()), "its payload was erased without a record of it")
    # Entries may have been added while these were read: the end lies between the two heads.
    last, after = expected - 1, _head(organisation_id)
    ends = before.sequence <= last <= after.sequence and at_before == before.hash
    if not ends or (after.sequence == last and after.hash != previous):
        return Broken(organisation_id, last + 1, "the chain ends elsewhere than its head says")
    return None


def _head(organisation_id: uuid.UUID) -> TrailHead:
    found = TrailHead.objects.filter(organisation_id=organisation_id).first()
    return found or TrailHead(organisation_id=organisation_id)


def _wrong(entry: TrailEntry, previous: str, expected: int) -> str:
    """What is wrong with an entry that should be number `expected` and follow `previous`; else nothing."""
    if entry.sequence != expected:
        return "it is missing" if entry.sequence > expected else "its number occurs twice"
    if entry.previous != previous:
        return "it does not follow from the entry before it"
    if entry_hash(entry) != entry.hash:
        return "its content was altered"
    payload = getattr(entry, "payload", None)
    if entry.payload_digest and payload is None:
        return "its payload was removed instead of erased"
    if payload is None or payload.erased_at is not None:
        return ""
    return (
        ""
        if _payload_digest(payload.salt, payload.content) == entry.payload_digest
        else ("its payload was altered")
    )


def _entries(organisation_id: uuid.UUID) -> Iterator[TrailEntry]:
    rows = TrailEntry.objects.filter(organisation_id=organisation_id).select_related("payload")
    return rows.order_by("sequence").iterator(chunk_size=1000)
