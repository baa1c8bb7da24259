"""Policies, runs, what they measured, findings, openings of sealed rows, comparisons."""

from __future__ import annotations

from django.db import models

from accounts.fields import TextJSONField
from accounts.tenancy import TenantModel
from models_registry.models import AISystem, Subject

__all__ = [
    "Comparison",
    "Finding",
    "FindingRun",
    "Opening",
    "Policy",
    "PolicyVersion",
    "Run",
    "RunMeasure",
    "RunState",
    "RunVerdict",
]


class Policy(TenantModel):
    """A named policy of the organisation; the built-in packs are copied in when they are chosen."""

    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        constraints = (models.UniqueConstraint(fields=("organisation", "name"), name="one_policy_a_name"),)
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return self.name


class PolicyVersion(TenantModel):
    """A policy's text, never changed: the engine's TOML, its digest, and the parsed form."""

    policy = models.ForeignKey(Policy, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    toml = models.TextField()
    sha256 = models.CharField(max_length=64)
    content = TextJSONField()
    """The engine's Policy."""
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")

    class Meta(TenantModel.Meta):
        constraints = (
            models.UniqueConstraint(fields=("policy", "number"), name="one_policy_version_a_number"),
        )
        ordering = ("policy", "-number")

    def __str__(self) -> str:
        return f"{self.policy} {self.content.get('version', self.number)}"


class RunState(models.TextChoices):
    DRAFT = "draft", "Draft"
    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    INCOMPLETE = "incomplete", "Incomplete"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class Run(TenantModel):
    """One audit: a subject, a policy, a plan that was frozen before anything was measured, and the result."""

    number = models.PositiveIntegerField()
    """Counts within the organisation: audit 27."""
    system = models.ForeignKey(AISystem, models.PROTECT, related_name="runs")
    subject = models.ForeignKey(Subject, models.PROTECT, related_name="runs")
    policy = models.ForeignKey(PolicyVersion, models.PROTECT, null=True, related_name="runs")
    baseline = models.ForeignKey("self", models.PROTECT, null=True, related_name="successors")
    """The run that this one is compared with; named before the start."""
    title = models.CharField(max_length=200)
    tier = models.CharField(max_length=8, default="standard")
    seed = models.BigIntegerField(default=0)
    methods = models.JSONField(null=True)
    """Ids of chosen methods; null for all that apply."""
    params = TextJSONField(default=dict)
    """Method id -> parameters that differ from the tier's."""
    start_when_ready = models.BooleanField(default=False)
    """Start by itself once the subject has been read (API, schedules, re-audits)."""
    trigger = models.CharField(max_length=20, default="person")
    """`person`, `api`, `schedule`, `remedy`."""
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.DRAFT)
    reason = models.TextField(blank=True)
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")
    plan = TextJSONField(null=True)
    """The engine's AuditPlan; fixed at the start, shown as an estimate before."""
    plan_sha256 = models.CharField(max_length=64, blank=True)
    fixed_at = models.DateTimeField(null=True)
    evidence_file = models.CharField(max_length=64, blank=True)
    """Digest of the stored snapshot (evidence.json), in the organisation's store."""
    result_digest = models.CharField(max_length=64, blank=True)
    snapshot_digest = models.CharField(max_length=64, blank=True)
    outcome = models.CharField(max_length=12, blank=True)
    """The verdict that decides (audits.recording.worst); `measured` where there is none."""
    counts = models.JSONField(default=dict)
    """Pillar -> outcome -> rules, for tiles and lists."""
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        constraints = (models.UniqueConstraint(fields=("organisation", "number"), name="one_run_a_number"),)
        indexes = (
            models.Index(fields=("organisation", "-created_at")),
            models.Index(fields=("system", "-created_at")),
            models.Index(fields=("organisation", "snapshot_digest")),
            models.Index(fields=("organisation", "state", "-number")),
            models.Index(fields=("organisation", "outcome", "-number")),
        )

    def __str__(self) -> str:
        return f"Audit {self.number}"

    @property
    def ended(self) -> bool:
        return self.state in (RunState.DONE, RunState.INCOMPLETE, RunState.FAILED, RunState.CANCELLED)


class RunMeasure(models.Model):
    """One measure of a run, for lists, trends and search; the snapshot is the truth."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, models.CASCADE, related_name="measures")
    key = models.CharField(max_length=64)
    """evidence.measure_key"""
    measure = models.CharField(max_length=120)
    pillar = models.CharField(max_length=20)
    slice = TextJSONField(default=dict)
    over = models.CharField(max_length=200, blank=True)
    at = TextJSONField(default=dict)
    value = models.FloatField(null=True)
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    n = models.BigIntegerField()
    unit = models.CharField(max_length=40)
    status = models.CharField(max_length=16)
    unknown = TextJSONField(null=True)
    """The engine's UnknownGroup, where the group of some rows is not known."""

    class Meta:
        constraints = (models.UniqueConstraint(fields=("run", "key"), name="one_measure_a_key"),)
        indexes = (models.Index(fields=("run", "pillar")),)


class RunVerdict(models.Model):
    """One verdict of a run."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, models.CASCADE, related_name="verdicts")
    place = models.PositiveIntegerField()
    """Its place in the snapshot's list."""
    rule = models.CharField(max_length=120)
    pillar = models.CharField(max_length=20)
    outcome = models.CharField(max_length=12)
    content = TextJSONField()
    """The engine's Verdict."""

    class Meta:
        constraints = (models.UniqueConstraint(fields=("run", "place"), name="one_verdict_a_place"),)


class Finding(TenantModel):
    """Something a reviewer must see answered; lives across the runs of a system."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ACCEPTED = "accepted", "Accepted for a time"
        MENDED = "mended", "Mended"

    number = models.PositiveIntegerField()
    """Counts within the organisation: F-118."""
    system = models.ForeignKey(AISystem, models.PROTECT, related_name="findings")
    key = models.CharField(max_length=130)
    """The engine's finding id: a hash of rule and measure."""
    title = models.TextField()
    pillar = models.CharField(max_length=20)
    severity = models.CharField(max_length=8)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    owner = models.ForeignKey("accounts.User", models.PROTECT, null=True, related_name="+")
    due = models.DateField(null=True)
    cause = models.TextField(blank=True)
    accepted_until = models.DateField(null=True)
    runs = models.ManyToManyField(Run, through="FindingRun", related_name="findings")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantModel.Meta):
        constraints = (
            models.UniqueConstraint(fields=("organisation", "number"), name="one_finding_a_number"),
            models.UniqueConstraint(fields=("system", "key"), name="one_finding_a_key"),
        )

    def __str__(self) -> str:
        return f"F-{self.number} {self.title}"


class FindingRun(models.Model):
    """A finding as one run saw it."""

    finding = models.ForeignKey(Finding, models.CASCADE, related_name="sightings")
    run = models.ForeignKey(Run, models.CASCADE, related_name="sightings")
    content = TextJSONField()
    """The engine's Finding."""

    class Meta:
        constraints = (models.UniqueConstraint(fields=("finding", "run"), name="one_sighting_a_run"),)


class Opening(TenantModel):
    """The ledger of sealed rows: which candidate was named, which model was shown which rows, in order."""

    class What(models.TextChoices):
        NAMED = "named", "Candidate named"
        OPENED = "opened", "Opened"
        MEASURED = "measured", "Measured"

    rows_sha256 = models.CharField(max_length=64)
    what = models.CharField(max_length=8, choices=What.choices)
    at = models.DateTimeField()
    model_sha256 = models.CharField(max_length=64)
    """The model that was opened or measured, or the baseline that a candidate was named for."""
    candidate_sha256 = models.CharField(max_length=64, blank=True)
    run = models.ForeignKey(Run, models.PROTECT, null=True, related_name="+")
    number = models.PositiveIntegerField(default=0)
    standing = models.CharField(max_length=12, blank=True)

    class Meta(TenantModel.Meta):
        indexes = (models.Index(fields=("organisation", "rows_sha256", "at")),)


class Comparison(TenantModel):
    """Two runs compared, kept because comparing rows takes seconds. Recomputed at will."""

    before = models.ForeignKey(Run, models.CASCADE, related_name="+")
    after = models.ForeignKey(Run, models.CASCADE, related_name="+")
    content = TextJSONField()
    """The engine's ChangeReport."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantModel.Meta):
        constraints = (models.UniqueConstraint(fields=("before", "after"), name="one_comparison_a_pair"),)
