"""Jobs, their shards, and the history of every shard. Rows are the truth; messages only wake workers up.

Only `jobs/leases.py` and `jobs/services.py` write shard state. Times that leases depend on are seconds since
1970 by the database's own clock, so that machines whose clocks differ agree.
"""

from __future__ import annotations

from django.db import models

from accounts.fields import TextJSONField
from accounts.tenancy import TenantModel

__all__ = ["Event", "Firing", "Job", "JobState", "Queue", "Schedule", "Shard", "ShardState", "Worker"]


class JobState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    CANCELLING = "cancelling", "Being cancelled"
    DONE = "done", "Done"
    INCOMPLETE = "incomplete", "Incomplete"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"

    @classmethod
    def ended(cls) -> tuple[JobState, ...]:
        return cls.DONE, cls.INCOMPLETE, cls.FAILED, cls.CANCELLED


class Queue(models.TextChoices):
    CPU = "cpu", "CPU"
    GPU = "gpu", "GPU"


class Job(TenantModel):
    """A unit of work that somebody asked for: an intake, an audit, a remedy, a report."""

    kind = models.CharField(max_length=40)
    """Name of the registered JobKind."""
    target_id = models.UUIDField()
    """The row of the app that submitted it (a run, an upload, ...)."""
    request = models.JSONField(default=dict)
    """What the kind needs to know; fixed at submission."""
    subject_key = models.CharField(max_length=200, blank=True)
    """Shards with the same key can be served by one open session (one child that has loaded the subject)."""
    queue = models.CharField(max_length=4, choices=Queue.choices, default=Queue.CPU)
    priority = models.SmallIntegerField(default=0)
    """Higher goes first: 10 somebody waits at a page, 0 usual, -10 scheduled."""
    state = models.CharField(max_length=12, choices=JobState.choices, default=JobState.WAITING)
    stage = models.PositiveIntegerField(default=0)
    round = models.PositiveSmallIntegerField(default=0)
    """Rises when somebody has the ended job tried again; shards that this replaced keep their number."""
    reason = models.TextField(blank=True)
    """Why it failed or is incomplete, for readers."""
    submitted_by = models.ForeignKey("accounts.User", models.PROTECT, null=True, related_name="+")
    submitted_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        indexes = (
            models.Index(fields=("organisation", "-submitted_at")),
            models.Index(fields=("kind", "target_id")),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def ended(self) -> bool:
        return self.state in JobState.ended()


class ShardState(models.TextChoices):
    READY = "ready", "Ready"
    LEASED = "leased", "Leased"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class Shard(models.Model):
    """A piece of a job that one worker does at a time, under a lease with a fencing token.

    When no work shard of a stage is left, one shard with `purpose` advance is added: whoever claims it plans
    the next stage or merges, under the same lease rules.
    """

    id = models.BigAutoField(primary_key=True)
    # its index is the one of `one_shard_a_place`, which begins with it
    job = models.ForeignKey(Job, models.CASCADE, related_name="shards", db_index=False)
    round = models.PositiveSmallIntegerField(default=0)
    stage = models.PositiveIntegerField()
    purpose = models.CharField(
        max_length=8, default="work", choices=(("work", "Work"), ("advance", "Advance"))
    )
    index = models.PositiveIntegerField()
    spec = TextJSONField(default=dict)
    weight = models.FloatField(default=1.0)
    """Estimated seconds; only the progress bar depends on it."""
    queue = models.CharField(max_length=4, choices=Queue.choices)
    priority = models.SmallIntegerField(default=0)
    subject_key = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=9, choices=ShardState.choices, default=ShardState.READY)
    claimable_at = models.FloatField(default=0.0)
    """Ready: from when. Leased: when the lease ends. Database clock; never null."""
    token = models.PositiveIntegerField(default=0)
    """Rises with every claim; who holds an older one is fenced off."""
    attempts = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=120, blank=True)
    progress = models.FloatField(default=0.0)
    doing = models.CharField(max_length=200, blank=True)
    checkpoint = TextJSONField(null=True)
    result = TextJSONField(null=True)
    arrays = models.CharField(max_length=200, blank=True)
    """File of the result's arrays, below the job's work folder."""
    error = models.TextField(blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("job", "round", "stage", "purpose", "index"), name="one_shard_a_place"
            ),
        )
        indexes = (
            models.Index(
                fields=("queue", "-priority", "id"),
                name="claimable",
                condition=models.Q(state__in=("ready", "leased")),
            ),
            # whether a stage is over
            models.Index(
                fields=("job",), name="unfinished", condition=models.Q(state__in=("ready", "leased"))
            ),
            # the next shard of the subject that a worker has open
            models.Index(
                fields=("subject_key", "queue", "-priority", "id"),
                name="claimable_subject",
                condition=models.Q(state__in=("ready", "leased")),
            ),
        )


class Event(models.Model):
    """What happened to a shard; the chaos suite's checker reads nothing else."""

    id = models.BigAutoField(primary_key=True)
    # its index is the one below
    job = models.ForeignKey(Job, models.CASCADE, related_name="events", db_index=False)
    shard = models.ForeignKey(Shard, models.CASCADE, null=True, related_name="events")
    at = models.FloatField()
    """Seconds since 1970, database clock."""
    what = models.CharField(max_length=20)
    """submitted, claimed, expired, checkpointed, committed, fenced, retried, released, failed, cancelled,
    cancelling, reopened, ended."""
    token = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=120, blank=True)
    detail = models.TextField(blank=True)

    class Meta:
        indexes = (
            models.Index(fields=("job", "id")),
            # what an operator watches; rare, so the index stays small
            models.Index(
                fields=("what", "at"), name="troubles", condition=models.Q(what__in=("expired", "fenced"))
            ),
        )


class Worker(models.Model):
    """A worker process that says it lives; for the operator's page only, no lease depends on it."""

    name = models.CharField(max_length=120, primary_key=True)
    queues = models.CharField(max_length=20)
    slots = models.PositiveIntegerField()
    started_at = models.FloatField()
    seen_at = models.FloatField()
    doing = models.CharField(max_length=200, blank=True)


class Schedule(TenantModel):
    """When something is to be done again: by cron, on a new model version, on new data.

    What is done is a registered trigger's business (jobs/schedules.py); `request` is what it needs to know.
    """

    class When(models.TextChoices):
        CRON = "cron", "At set times"
        NEW_VERSION = "new_version", "When a model version arrives"
        NEW_DATA = "new_data", "When a dataset version arrives"

    class CatchUp(models.TextChoices):
        SKIP = "skip", "Skip what was missed"
        ONCE = "once", "Run once for all that was missed"
        ALL = "all", "Run every missed time"

    name = models.CharField(max_length=120)
    trigger = models.CharField(max_length=40)
    target_id = models.UUIDField()
    """The row that the trigger is about (an AI system)."""
    when = models.CharField(max_length=12, choices=When.choices, default=When.CRON)
    cron = models.CharField(max_length=120, blank=True)
    """Five fields, in the organisation's time zone."""
    catch_up = models.CharField(max_length=4, choices=CatchUp.choices, default=CatchUp.ONCE)
    request = models.JSONField(default=dict)
    active = models.BooleanField(default=True)
    next_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantModel.Meta):
        indexes = (models.Index(fields=("active", "next_at")),)

    def __str__(self) -> str:
        return self.name


class Firing(models.Model):
    """One time that a schedule was due; unique, so any number of tickers is harmless."""

    id = models.BigAutoField(primary_key=True)
    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="firings")
    fire_at = models.DateTimeField()
    cause = models.UUIDField(null=True)
    """The version that arrived, for schedules that wait for one."""
    fired_at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=8, default="started")
    """started, skipped, failed"""
    made_id = models.UUIDField(null=True)
    """What the trigger made (a run)."""
    reason = models.TextField(blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("schedule", "fire_at"), name="one_firing_a_time"),)
        ordering = ("-fire_at",)
