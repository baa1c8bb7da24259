"""Documents made from snapshots: drafts, certified editions, countersignatures, revocation."""

from __future__ import annotations

from django.db import models

from accounts.tenancy import TenantModel
from audits.models import Run
from compliance.models import Review

__all__ = ["Document"]


class Document(TenantModel):
    """One edition of a run's report. Superseded or revoked, never edited."""

    class Kind(models.TextChoices):
        DRAFT = "draft", "Draft (not certified)"
        CERTIFIED = "certified", "Certified at submission"
        COUNTERSIGNED = "countersigned", "Countersigned by the reviewer"

    class State(models.TextChoices):
        MAKING = "making", "Being made"
        READY = "ready", "Ready"
        FAILED = "failed", "Could not be made"

    class Category(models.TextChoices):
        """Why a report was revoked, in words that the public page may say."""

        DECISION = "decision", "the decision was taken back"
        ERROR = "error", "an error was found in the audit"
        DATA = "data", "the data should not have been used"
        OTHER = "other", "another reason"

    run = models.ForeignKey(Run, models.PROTECT, related_name="documents")
    review = models.ForeignKey(Review, models.PROTECT, null=True, related_name="documents")
    kind = models.CharField(max_length=14, choices=Kind.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.MAKING)
    reason = models.TextField(blank=True)
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")
    snapshot_digest = models.CharField(max_length=64)
    trail_head = models.CharField(max_length=64, blank=True)
    """Hash of the organisation's chain when it was made; printed and attached."""
    pdf = models.CharField(max_length=64, blank=True)
    """Digest of the stored PDF; html likewise."""
    html = models.CharField(max_length=64, blank=True)
    verification_code = models.CharField(max_length=24, unique=True)
    """Printed in the PDF; opens the public verification page."""
    facts = models.JSONField(default=dict)
    """What the report says publicly of itself: outcome, decided_at, valid_until, conditions, sealed_at."""
    created_at = models.DateTimeField(auto_now_add=True)
    made_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey("accounts.User", models.PROTECT, null=True, related_name="+")
    superseded_by = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey("accounts.User", models.PROTECT, null=True, related_name="+")
    revoked_category = models.CharField(max_length=8, choices=Category.choices, blank=True)
    revoked_reason = models.TextField(blank=True)
    """In the person's own words; shown to members alone."""

    class Meta(TenantModel.Meta):
        constraints = (
            models.UniqueConstraint(
                fields=("review", "kind"),
                condition=models.Q(review__isnull=False),
                name="one_edition_a_review",
            ),
            models.UniqueConstraint(
                fields=("run",),
                condition=models.Q(review__isnull=True, state="making"),
                name="one_draft_in_making_a_run",
            ),
        )
        indexes = (
            models.Index(fields=("organisation", "-created_at")),
            models.Index(fields=("pdf",)),
        )

    def __str__(self) -> str:
        return f"Report on audit {self.run.number} ({self.get_kind_display()})"
