"""Remedy runs: from a finding to a candidate, its audit with the same plan, and the gate's answer."""

from __future__ import annotations

from django.db import models

from accounts.fields import TextJSONField
from accounts.tenancy import TenantModel
from audits.models import Finding, Policy, Run
from models_registry.models import DatasetVersion, ModelVersion

__all__ = ["RemedyRun", "RemedyState", "SensitiveRefusal"]


class RemedyState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Making the candidate"
    AUDITING = "auditing", "Auditing the candidate"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"

    @classmethod
    def ended(cls) -> tuple[RemedyState, ...]:
        return cls.DONE, cls.FAILED, cls.CANCELLED


class RemedyRun(TenantModel):
    """One remedy applied to one version; the new version is its candidate."""

    number = models.PositiveIntegerField()
    """Counts within the organisation: R-7."""
    baseline = models.ForeignKey(Run, models.PROTECT, related_name="remedies")
    """The audit whose plan is repeated on the candidate."""
    finding = models.ForeignKey(Finding, models.PROTECT, null=True, related_name="remedies")
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+")
    dataset_version = models.ForeignKey(DatasetVersion, models.PROTECT, related_name="+")
    """Whose training and tuning rows the remedy may look at."""
    remedy = models.CharField(max_length=120)
    params = TextJSONField(default=dict)
    seed = models.BigIntegerField(default=0)
    estimate_seconds = models.FloatField(default=0.0)
    state = models.CharField(max_length=10, choices=RemedyState.choices, default=RemedyState.WAITING)
    reason = models.TextField(blank=True)
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")
    candidate = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    run = models.ForeignKey(Run, models.PROTECT, null=True, related_name="+")
    """The candidate's audit."""
    gate = TextJSONField(null=True)
    """exit_code, sentence and reasons of the gate, from the run's ChangeReport."""
    changes = models.JSONField(null=True)
    """The rest of that report, as the page shows it; lists do not load it."""
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        constraints = (
            models.UniqueConstraint(fields=("organisation", "number"), name="one_remedy_run_a_number"),
        )

    def __str__(self) -> str:
        return f"R-{self.number}"

    @property
    def ended(self) -> bool:
        return self.state in RemedyState.ended()


class SensitiveRefusal(TenantModel):
    """No candidate may read sensitive columns when it decides: under `policy`, or at all."""

    policy = models.ForeignKey(Policy, models.CASCADE, null=True, related_name="+")
    """Null: whatever the policy."""
    created_by = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantModel.Meta):
        constraints = (
            models.UniqueConstraint(fields=("organisation", "policy"), name="one_refusal_a_policy"),
            models.UniqueConstraint(
                fields=("organisation",), condition=models.Q(policy=None), name="one_refusal_everywhere"
            ),
        )

    def __str__(self) -> str:
        return f"refused: {self.policy or 'everywhere'}"
