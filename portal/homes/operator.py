"""Home of an operator: queues, workers, failures."""

from __future__ import annotations

from django.db.models import Count, Q
from django.utils import timezone

from accounts.models import Organisation, User
from jobs.models import Firing, Job, JobState, Queue, Shard, Worker
from portal.homes.parts import (
    ALIVE_SECONDS,
    RECENT,
    SHOWN,
    Block,
    Home,
    Item,
    Tile,
    counted,
    job_item,
    look,
    moment,
    sentence,
    url,
)

__all__ = ["home"]


def home(organisation: Organisation, user: User) -> Home:
    slug = organisation.slug
    unfinished = Shard.objects.filter(job__organisation=organisation, state__in=("ready", "leased"))
    queued = unfinished.aggregate(
        cpu=Count("pk", filter=Q(state="ready", queue=Queue.CPU)),
        gpu=Count("pk", filter=Q(state="ready", queue=Queue.GPU)),
        running=Count("pk", filter=Q(state="leased")),
    )
    now = timezone.now()
    workers = list(Worker.objects.order_by("name"))
    alive = [w for w in workers if now.timestamp() - w.seen_at < ALIVE_SECONDS]
    broken = list(
        Job.objects.of(organisation)
        .filter(state__in=(JobState.FAILED, JobState.INCOMPLETE), ended_at__gte=now - RECENT)
        .order_by("-ended_at")[:50]
    )
    missed = list(
        Firing.objects.filter(schedule__organisation=organisation, state="failed", fired_at__gte=now - RECENT)
        .select_related("schedule")
        .order_by("-fired_at")[:SHOWN]
    )
    going = list(
        Job.objects.of(organisation)
        .filter(state__in=(JobState.RUNNING, JobState.WAITING, JobState.CANCELLING))
        .order_by("-priority", "submitted_at")[:SHOWN]
    )
    nobody = not alive and (queued["cpu"] or queued["gpu"])
    parts = [
        counted(len(broken), "job failed in the last 30 days", "jobs failed in the last 30 days"),
        counted(queued["running"], "shard is in work", "shards are in work"),
        counted(queued["cpu"] + queued["gpu"], "shard waits", "shards wait"),
    ]
    if nobody:
        parts.insert(0, "work waits and no worker is alive")
    return Home(
        sentence(parts, "All is quiet: nothing waits, nothing failed."),
        [
            Tile(
                "Workers",
                len(alive),
                f"alive, of {len(workers)} known",
                url("jobs:jobs", slug),
                "fail" if nobody else "",
            ),
            Tile("In work", queued["running"], "shards", url("jobs:jobs", slug)),
            Tile(
                "Waiting",
                queued["cpu"] + queued["gpu"],
                f"{queued['cpu']} cpu · {queued['gpu']} gpu",
                url("jobs:jobs", slug),
            ),
            Tile(
                "Failed",
                len(broken),
                "jobs in the last 30 days",
                url("jobs:jobs", slug),
                look(len(broken), "fail"),
            ),
        ],
        [
            Block(
                "Failed or incomplete",
                [job_item(slug, j) for j in broken[:SHOWN]],
                "No job failed in the last 30 days.",
            ),
            Block(
                "Running and waiting",
                [job_item(slug, j) for j in going],
                "Nothing runs, nothing waits.",
                url("jobs:jobs", slug),
                "All jobs",
            ),
            Block(
                "Schedules that failed",
                [
                    Item(
                        f.schedule.name,
                        url("jobs:schedule", slug, f.schedule_id),
                        f.reason,
                        "failed",
                        f.fired_at,
                    )
                    for f in missed
                ],
                "Every schedule fired as planned.",
            ),
            Block(
                "Workers",
                [
                    Item(
                        w.name,
                        "",
                        f"{w.queues} · {w.doing or 'idle'}",
                        "" if w in alive else "failed",
                        moment(w.seen_at),
                    )
                    for w in workers[:SHOWN]
                ],
                "No worker has ever reported; docs/deploy.md tells how to start one.",
            ),
        ],
    )
