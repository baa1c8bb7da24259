"""What pages and lists read of jobs: a fixed number of queries each. (Metrics: config/health.py.)"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, F, FloatField, Max, Min, Q, Sum, Value, When
from django.db.models.query import QuerySet
from django.utils import timezone

from accounts.models import Organisation
from assay.errors import Internal
from jobs.clock import database_seconds
from jobs.kinds import Described, Retryable, get_kind
from jobs.models import Job, JobState, Shard, ShardState, Worker
from jobs.models import Queue as QueueName

__all__ = [
    "JobRow",
    "Progress",
    "QueueRow",
    "job_rows",
    "jobs_of",
    "may_retry",
    "progress",
    "progress_of",
    "queues",
    "workers",
]

_LIVE_SECONDS = 30.0
_KNOWN_SHARE = 0.05
"""Below this share an estimate of the time left would be a guess."""


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    done: float
    """0..1, weighted by the estimated seconds of its shards; planned stages only."""
    doing: str
    shards: int
    shards_done: int
    shards_failed: int
    seconds_left: float | None
    """Estimated from what took how long so far; None where that says too little."""

    @property
    def percent(self) -> int:
        return int(self.done * 100)


@dataclass(frozen=True)
class JobRow:
    """A job with what a list shows of it."""

    job: Job
    name: str
    """What it works for; empty where that is gone or its kind does not tell."""
    progress: Progress
    attempts: int
    """Attempts at the shard that was begun most often."""
    trouble: str
    """The last error of a shard, where there was one."""


@dataclass(frozen=True)
class QueueRow:
    """One queue, over all organisations (the wait), and of one organisation (the lengths)."""

    name: str
    ready: int
    running: int
    oldest_seconds: float
    """How long the oldest claimable shard of anybody has been waiting."""
    slots: int
    """Of live workers that serve it."""


def jobs_of(organisation: Organisation, state: str = "") -> QuerySet[Job]:
    """The organisation's jobs, newest first; `state` is a JobState, "open" or "trouble"."""
    found: QuerySet[Job] = Job.objects.of(organisation).select_related("submitted_by")
    if state == "open":
        found = found.exclude(state__in=JobState.ended())
    elif state == "trouble":
        found = found.filter(state__in=(JobState.FAILED, JobState.INCOMPLETE))
    elif state in JobState.values:
        found = found.filter(state=state)
    return found.order_by("-submitted_at", "id")


def progress(job: Job, now: datetime | None = None) -> Progress:
    """How far one job is."""
    return progress_of([job], now)[job.pk]


def progress_of(jobs: Iterable[Job], now: datetime | None = None) -> dict[Any, Progress]:
    """How far each of these jobs is: two queries."""
    listed = list(jobs)
    finished = Q(state__in=(ShardState.DONE, ShardState.FAILED))
    share = Case(When(finished, then=Value(1.0)), default=F("progress"), output_field=FloatField())
    # in a job that was tried again, cancelled shards are those that were replaced
    stopped = Q(job__state__in=(JobState.CANCELLING, JobState.CANCELLED))
    work = Shard.objects.filter(job__in=listed, purpose="work").filter(
        ~Q(state=ShardState.CANCELLED) | stopped
    )
    sums: dict[Any, dict[str, Any]] = {
        row["job"]: dict(row)
        for row in work.values("job").annotate(
            total=Sum("weight"),
            got=Sum(F("weight") * share),
            shards=Count("id"),
            completed=Count("id", filter=Q(state=ShardState.DONE)),
            failed=Count("id", filter=Q(state=ShardState.FAILED)),
        )
    }
    doing: dict[Any, str] = {}
    for shard in Shard.objects.filter(job__in=listed, state=ShardState.LEASED).order_by("id"):
        words = "putting the results together" if shard.purpose == "advance" else shard.doing
        doing.setdefault(shard.job_id, words)
    moment = now or timezone.now()
    return {job.pk: _progress(job, sums.get(job.pk), doing.get(job.pk, ""), moment) for job in listed}


def _progress(job: Job, sums: dict[str, Any] | None, doing: str, now: datetime) -> Progress:
    weight = float(sums["total"] or 0.0) if sums else 0.0
    done = float(sums["got"] or 0.0) / weight if sums and weight > 0 else 0.0
    if job.state == JobState.DONE:
        done = 1.0
    left = None
    if job.started_at is not None and not job.ended and done >= _KNOWN_SHARE:
        left = (now - job.started_at).total_seconds() * (1.0 - done) / done
    return Progress(
        done=min(done, 1.0),
        doing=doing if not job.ended else "",
        shards=sums["shards"] if sums else 0,
        shards_done=sums["completed"] if sums else 0,
        shards_failed=sums["failed"] if sums else 0,
        seconds_left=left,
    )


def job_rows(jobs: Iterable[Job]) -> list[JobRow]:
    """Rows of a list: four queries and one for each kind of job, however many jobs."""
    listed = list(jobs)
    far = progress_of(listed)
    attempts = dict(
        Shard.objects.filter(job__in=listed)
        .values("job")
        .annotate(most=Max("attempts"))
        .values_list("job", "most")
    )
    trouble: dict[Any, str] = {}
    for key, error in (
        Shard.objects.filter(job__in=listed).exclude(error="").order_by("-id").values_list("job", "error")
    ):
        trouble.setdefault(key, error)
    names = _target_names(listed)
    return [
        JobRow(
            job,
            names.get((job.kind, job.target_id), ""),
            far[job.pk],
            attempts.get(job.pk, 0),
            job.reason or trouble.get(job.pk, ""),
        )
        for job in listed
    ]


def _target_names(jobs: Iterable[Job]) -> dict[tuple[str, UUID], str]:
    """(kind, target) -> what it is called, of kinds that tell."""
    targets: dict[str, list[UUID]] = {}
    for job in jobs:
        targets.setdefault(job.kind, []).append(job.target_id)
    found: dict[tuple[str, UUID], str] = {}
    for name, keys in targets.items():
        with suppress(Internal):  # a job of another version of the service
            kind = get_kind(name)
            if isinstance(kind, Described):
                found |= {(name, key): called for key, called in kind.target_names(keys).items()}
    return found


def queues(organisation: Organisation) -> list[QueueRow]:
    """Both queues: the organisation's shards in them, and how long the oldest of anybody waits."""
    now = database_seconds()
    counts = _counts(Shard.objects.filter(job__organisation=organisation))
    oldest = _oldest(now)
    live = _live(now)
    return [
        QueueRow(
            name=str(queue.label),
            ready=counts.get((str(queue), ShardState.READY), 0),
            running=counts.get((str(queue), ShardState.LEASED), 0),
            oldest_seconds=oldest.get(str(queue), 0.0),
            slots=sum(worker.slots for worker in live if str(queue) in worker.queues.split(",")),
        )
        for queue in QueueName
    ]


def workers() -> list[dict[str, Any]]:
    """Workers that spoke within a day: what they serve and do, seconds since they spoke, live or silent."""
    now = database_seconds()
    return [
        {
            "name": worker.name,
            "queues": worker.queues.replace(",", ", "),
            "slots": worker.slots,
            "doing": worker.doing,
            "age": max(now - worker.seen_at, 0.0),
            "up": max(now - worker.started_at, 0.0),
            "live": now - worker.seen_at < _LIVE_SECONDS,
        }
        for worker in Worker.objects.order_by("-seen_at", "name")[:100]
    ]


def may_retry(job: Job) -> bool:
    """Whether `services.retry` would take it, as far as can be told beforehand."""
    if job.state not in (JobState.FAILED, JobState.INCOMPLETE):
        return False
    try:
        return isinstance(get_kind(job.kind), Retryable)
    except Exception:
        return False


def _counts(shards: QuerySet[Shard]) -> dict[tuple[str, str], int]:
    return {
        (queue, state): n
        for queue, state, n in shards.filter(state__in=(ShardState.READY, ShardState.LEASED))
        .values("queue", "state")
        .annotate(n=Count("id"))
        .values_list("queue", "state", "n")
    }


def _oldest(now: float) -> dict[str, float]:
    """Seconds that the oldest claimable shard of each queue has waited."""
    waiting = Shard.objects.filter(state__in=(ShardState.READY, ShardState.LEASED), claimable_at__lte=now)
    since = waiting.values("queue").annotate(since=Min("claimable_at")).values_list("queue", "since")
    return {queue: now - at for queue, at in since}


def _live(now: float) -> list[Worker]:
    return list(Worker.objects.filter(seen_at__gt=now - _LIVE_SECONDS))
