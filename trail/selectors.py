"""Reads of the chain."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from trail.models import TrailEntry, TrailHead

__all__ = ["actions_of", "entries_of", "head_of"]


def entries_of(organisation_id: uuid.UUID) -> QuerySet[TrailEntry]:
    """The organisation's entries with their payloads, the newest first."""
    found = TrailEntry.objects.filter(organisation_id=organisation_id)
    return found.select_related("payload").order_by("-sequence")


def head_of(organisation_id: uuid.UUID) -> TrailHead:
    """Where the chain ends; sequence 0 where it has not begun."""
    return TrailHead.objects.filter(organisation_id=organisation_id).first() or TrailHead(
        organisation_id=organisation_id
    )


def actions_of(organisation_id: uuid.UUID) -> list[str]:
    """The actions that occur, sorted."""
    found = TrailEntry.objects.filter(organisation_id=organisation_id).order_by("action")
    return list(found.values_list("action", flat=True).distinct())
