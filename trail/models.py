"""The chain: one append-only list an organisation, each entry bound to the one before it by its hash.

Entries hold pseudonymous ids and salted digests only, so that personal payload can be erased without
breaking the chain. Database triggers refuse UPDATE and DELETE of entries (migrations/).
"""

from __future__ import annotations

import uuid

from django.db import models

__all__ = ["TrailEntry", "TrailHead", "TrailPayload"]


class TrailEntry(models.Model):
    """One human decision or one fact that decisions rest on. UUIDs only, no foreign keys."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation_id = models.UUIDField()
    sequence = models.PositiveBigIntegerField()
    """From 1, without gaps."""
    at = models.DateTimeField()
    actor_id = models.UUIDField(null=True)
    """The user; null for the service itself."""
    action = models.CharField(max_length=80)
    """`run.started`, `review.approved`, ...: what happened, a noun and a past participle."""
    target_kind = models.CharField(max_length=40)
    target_id = models.UUIDField()
    facts = models.JSONField(default=dict)
    """Digests, ids and numbers; nothing personal."""
    payload_digest = models.CharField(max_length=64, blank=True)
    """SHA-256 of salt and canonical payload; empty without payload."""
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)
    """SHA-256 of `previous` and the canonical JSON of this row."""

    class Meta:
        ordering = ("organisation_id", "sequence")
        constraints = (
            models.UniqueConstraint(fields=("organisation_id", "sequence"), name="one_entry_a_place"),
        )
        indexes = (models.Index(fields=("organisation_id", "target_id")),)
        verbose_name_plural = "trail entries"

    def __str__(self) -> str:
        return f"{self.sequence} {self.action}"


class TrailPayload(models.Model):
    """The erasable side of an entry: words, names, reasons."""

    entry = models.OneToOneField(TrailEntry, models.DO_NOTHING, primary_key=True, related_name="payload")
    salt = models.CharField(max_length=64)
    content = models.JSONField(default=dict)
    erased_at = models.DateTimeField(null=True)


class TrailHead(models.Model):
    """Where an organisation's chain ends; the row that writers lock."""

    organisation_id = models.UUIDField(primary_key=True)
    sequence = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, default="0" * 64)
