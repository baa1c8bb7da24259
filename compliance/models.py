"""Reviews and what hangs on them: replies, acceptances, promotion of stages; controls and attestations."""

from __future__ import annotations

from django.db import models

from accounts.tenancy import TenantModel
from audits.models import Finding, Run
from models_registry.models import AISystem, ModelVersion, Stage

__all__ = ["Attestation", "Reply", "Review", "ReviewState", "StageChange"]


class ReviewState(models.TextChoices):
    SUBMITTED = "submitted", "Submitted"
    IN_REVIEW = "in_review", "In review"
    CHANGES = "changes", "Changes requested"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"


class Review(TenantModel):
    """The request for a decision on one snapshot, and the decision. Who asked never decides."""

    number = models.PositiveIntegerField()
    run = models.ForeignKey(Run, models.PROTECT, related_name="reviews")
    snapshot_digest = models.CharField(max_length=64)
    """What is decided on: the decision is void for any other snapshot."""
    purpose_stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.APPROVED)
    """What approval would allow."""
    state = models.CharField(max_length=10, choices=ReviewState.choices, default=ReviewState.SUBMITTED)
    revision = models.PositiveIntegerField(default=0)
    """Rises with every change; who acts on an older one is told that somebody was faster."""
    requested_by = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(auto_now_add=True)
    message = models.TextField(blank=True)
    reviewer = models.ForeignKey("accounts.User", models.PROTECT, null=True, related_name="+")
    taken_at = models.DateTimeField(null=True)
    checklist = models.JSONField(default=list)
    """[{"text": ..., "done": bool}]"""
    reason = models.TextField(blank=True)
    """Of the decision; printed in the report and signed."""
    conditions = models.TextField(blank=True)
    valid_until = models.DateField(null=True)
    decided_at = models.DateTimeField(null=True)
    basis = models.JSONField(default=dict)
    """What an approval rests on: digests of the version's and the data's content, acceptances with their ends
    (compliance/basis.py)."""
    lapses_on = models.DateField(null=True)
    """The last day on which an approval holds: the end of its validity or of an acceptance it rests on."""
    stale_at = models.DateTimeField(null=True)
    """When model, data or policy changed after the decision (or its validity ended)."""
    stale_reason = models.TextField(blank=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey("accounts.User", models.PROTECT, null=True, related_name="+")
    revoked_reason = models.TextField(blank=True)

    class Meta(TenantModel.Meta):
        constraints = (
            models.UniqueConstraint(fields=("organisation", "number"), name="one_review_a_number"),
            models.CheckConstraint(
                condition=models.Q(reviewer__isnull=True) | ~models.Q(reviewer=models.F("requested_by")),
                name="requester_is_never_reviewer",
            ),
            models.UniqueConstraint(
                fields=("run",),
                condition=models.Q(state__in=("submitted", "in_review")),
                name="one_open_review_a_run",
            ),
        )
        indexes = (models.Index(fields=("organisation", "state", "-requested_at"), name="reviews_by_state"),)

    def __str__(self) -> str:
        return f"Review {self.number}"

    @property
    def purpose(self) -> str:
        """What is asked for, as a noun."""
        return "deployment" if self.purpose_stage == Stage.DEPLOYED else "approval"

    @property
    def open(self) -> bool:
        """Whether somebody still has to do something."""
        return self.state in (ReviewState.SUBMITTED, ReviewState.IN_REVIEW)


class Reply(TenantModel):
    """Management's reply to a finding, before the reviewer's opinion. Never changed; a newer one follows."""

    finding = models.ForeignKey(Finding, models.PROTECT, related_name="replies")
    run = models.ForeignKey(Run, models.PROTECT, related_name="replies")
    text = models.TextField()
    action = models.TextField(blank=True)
    due = models.DateField(null=True)
    by = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)


class StageChange(TenantModel):
    """A version's way from candidate to retired; up only through a valid approval."""

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="stage_changes")
    before = models.CharField(max_length=10, choices=Stage.choices)
    after = models.CharField(max_length=10, choices=Stage.choices)
    review = models.ForeignKey(Review, models.PROTECT, null=True, related_name="stage_changes")
    reason = models.TextField(blank=True)
    by = models.ForeignKey("accounts.User", models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)


class Attestation(TenantModel):
    """A person's word on a control that no measurement covers. Never changed; withdrawn or followed."""

    system = models.ForeignKey(AISystem, models.PROTECT, related_name="attestations")
    framework = models.CharField(max_length=80)
    control = models.CharField(max_length=80)
    applies = models.BooleanField(default=True)
    """False: the control does not apply to this system, for the reason in `text`."""
    text = models.TextField()
    by = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    valid_until = models.DateField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        indexes = (models.Index(fields=("system", "framework"), name="attestations_of_a_system"),)
