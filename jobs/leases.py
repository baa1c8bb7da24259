"""The one place where a worker takes, keeps and gives back a shard.

Every write is conditional on the fencing token of the claim: 0 rows changed means that somebody else holds
the shard by now, and what the caller has is discarded. Promise: at-least-once execution, exactly-once
accounting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from jobs.clock import DatabaseSeconds, seconds_sql
from jobs.kinds import Advance, Finished, NewShard, Next, ShardResult, get_kind
from jobs.models import Event, Job, JobState, Shard, ShardState

__all__ = ["Claim", "Fenced", "checkpoint", "claim", "commit", "commit_advance", "fail", "release", "renew"]


class Fenced(Exception):
    """The lease was lost: another worker holds the shard, or it was cancelled."""


@dataclass(frozen=True)
class Claim:
    """A shard under a lease."""

    shard: Shard
    job: Job
    token: int
    worker: str


def claim(queues: Sequence[str], worker: str, prefer: str = "") -> Claim | None:
    """Take the next shard of `queues`: highest priority first, then those of the subject `prefer`.

    One statement finds and takes it, on either database; a shard whose lease ended is taken like a ready one.
    """
    now, places = seconds_sql(), ", ".join(["%s"] * len(queues))
    skip = "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    statement = f"""
        UPDATE jobs_shard SET state = 'leased', token = token + 1, attempts = attempts + 1,
            claimable_at = {now} + %s, worker = %s
        WHERE id = (
            SELECT id FROM jobs_shard
            WHERE state IN ('ready', 'leased') AND queue IN ({places}) AND claimable_at <= {now}
            ORDER BY priority DESC, CASE WHEN subject_key = %s THEN 0 ELSE 1 END, id LIMIT 1 {skip})
        RETURNING id, token
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(statement, [settings.ENV.lease_seconds, worker, *queues, prefer])
            row = cursor.fetchone()
        if row is None:
            return None
        shard = Shard.objects.select_related("job").get(pk=row[0])
        job = shard.job
        found = Claim(shard, job, int(row[1]), worker)
        if job.state == JobState.CANCELLING or job.ended:
            _end_shard(found, ShardState.CANCELLED, "")
            _after(found)
            return claim(queues, worker, prefer)
        if shard.attempts > settings.ENV.attempts:
            _end_shard(found, ShardState.FAILED, shard.error or "Whoever ran it ended without a word.")
            _after(found)
            return claim(queues, worker, prefer)
        note(job, shard, "claimed", found)
        if job.state == JobState.WAITING:
            Job.unscoped.filter(pk=job.pk, state=JobState.WAITING).update(
                state=JobState.RUNNING, started_at=timezone.now()
            )
            job.state = JobState.RUNNING
        return found


def renew(held: Claim, progress: float, doing: str) -> bool:
    """Keep the lease and say how far the shard is.

    Returns:
        True to go on; False when the job is being cancelled.

    Raises:
        Fenced: the lease was lost.
    """
    changed = _mine(held).update(
        claimable_at=DatabaseSeconds() + settings.ENV.lease_seconds,
        progress=progress,
        doing=_text(doing)[:200],
    )
    if not changed:
        raise Fenced
    state = Job.unscoped.values_list("state", flat=True).get(pk=held.job.pk)
    return state != JobState.CANCELLING


def checkpoint(held: Claim, state: Mapping[str, Any]) -> None:
    """Keep what the next attempt may start from. Raises Fenced."""
    with transaction.atomic():
        changed = _mine(held).update(
            checkpoint=dict(state), claimable_at=DatabaseSeconds() + settings.ENV.lease_seconds
        )
        if not changed:
            raise Fenced
        note(held.job, held.shard, "checkpointed", held)


def commit(held: Claim, result: ShardResult, arrays: str = "") -> None:
    """Count the shard as done, and add the advance shard when it was the last of its stage. Raises Fenced."""
    with transaction.atomic():
        _lock(held.job)
        changed = _mine(held).update(
            state=ShardState.DONE, result=dict(result.data), arrays=arrays, progress=1.0, doing="", error=""
        )
        if not changed:
            raise Fenced
        note(held.job, held.shard, "committed", held)
        _after(held)


def commit_advance(held: Claim, step: Advance) -> None:
    """Add the next stage or end the job, with what its kind stores, in one transaction. Raises Fenced."""
    with transaction.atomic():
        job = _lock(held.job)
        if job.state == JobState.CANCELLING:
            raise Fenced
        if not _mine(held).update(state=ShardState.DONE, progress=1.0, doing="", error=""):
            raise Fenced
        note(job, held.shard, "committed", held)
        kind = get_kind(job.kind)
        if isinstance(step, Next):
            job.stage = held.shard.stage + 1
            job.save(update_fields=["stage"])
            add_shards(job, job.stage, step.shards)
        elif isinstance(step, Finished):
            kind.on_done(job, step.outcome, step.incomplete)
            _end(job, JobState.INCOMPLETE if step.incomplete else JobState.DONE, " ".join(step.incomplete))
        else:
            _failed(job, step.why)


def fail(held: Claim, why: str, *, final: bool) -> None:
    """Give a shard back after an error: to be tried again with back-off, or given up. Raises Fenced."""
    with transaction.atomic():
        _lock(held.job)
        last = final or held.shard.attempts >= settings.ENV.attempts
        if last:
            if not _end_shard(held, ShardState.FAILED, why):
                raise Fenced
            _after(held)
            return
        pause = min(2.0**held.shard.attempts, 60.0) * min(1.0, settings.ENV.lease_seconds / 60)
        changed = _mine(held).update(
            state=ShardState.READY, claimable_at=DatabaseSeconds() + pause, error=_text(why), doing=""
        )
        if not changed:
            raise Fenced
        note(held.job, held.shard, "retried", held, why)


def release(held: Claim) -> None:
    """Give a shard back unharmed (the worker is asked to stop): it counts as never begun."""
    with transaction.atomic():
        changed = _mine(held).update(
            state=ShardState.READY, claimable_at=DatabaseSeconds(), attempts=F("attempts") - 1, doing=""
        )
        if changed:
            note(held.job, held.shard, "released", held)


def cancelled(held: Claim) -> None:
    """The shard was stopped because its job is being cancelled."""
    with transaction.atomic():
        _lock(held.job)
        if _end_shard(held, ShardState.CANCELLED, ""):
            _after(held)


def add_shards(job: Job, stage: int, shards: Sequence[NewShard], purpose: str = "work") -> None:
    """Add the shards of a stage; part of the caller's transaction."""
    Shard.objects.bulk_create(
        Shard(
            job=job,
            stage=stage,
            purpose=purpose,
            index=index,
            spec=dict(shard.spec),
            weight=shard.weight,
            queue=job.queue,
            priority=job.priority,
            subject_key=job.subject_key,
        )
        for index, shard in enumerate(shards)
    )


def note(job: Job, shard: Shard | None, what: str, held: Claim | None = None, detail: str = "") -> None:
    """Add to the history."""
    Event.objects.create(
        job=job,
        shard=shard,
        at=DatabaseSeconds(),
        what=what,
        token=held.token if held else 0,
        worker=held.worker if held else "",
        detail=_text(detail),
    )


def end_if_cancelled(job: Job) -> None:
    """End a job that is being cancelled and has no shard in work; part of the caller's transaction."""
    if job.state == JobState.CANCELLING and not _unfinished(job).exists():
        get_kind(job.kind).on_cancelled(job)
        _end(job, JobState.CANCELLED, "")


def _text(words: str) -> str:
    """Words of a child, without what PostgreSQL cannot hold."""
    return words.replace("\0", "\ufffd")


def _mine(held: Claim) -> Any:
    return Shard.objects.filter(pk=held.shard.pk, token=held.token, state=ShardState.LEASED)


def _lock(job: Job) -> Job:
    return Job.unscoped.select_for_update().get(pk=job.pk)


def _unfinished(job: Job) -> Any:
    return Shard.objects.filter(job=job, state__in=(ShardState.READY, ShardState.LEASED))


def _end_shard(held: Claim, state: ShardState, why: str) -> int:
    changed: int = _mine(held).update(state=state, error=_text(why), doing="")
    if changed:
        note(held.job, held.shard, str(state), held, why)
    return changed


def _after(held: Claim) -> None:
    """What follows from a shard that ended; the job row is locked."""
    job = _lock(held.job)
    if job.ended:
        return
    if job.state == JobState.CANCELLING:
        end_if_cancelled(job)
    elif held.shard.purpose == "advance":
        if not _unfinished(job).exists():
            _failed(job, Shard.objects.get(pk=held.shard.pk).error)
    elif not _unfinished(job).exists():
        add_shards(job, held.shard.stage, [NewShard({})], "advance")


def _failed(job: Job, why: str) -> None:
    get_kind(job.kind).on_failed(job, why)
    _end(job, JobState.FAILED, why)


def _end(job: Job, state: JobState, why: str) -> None:
    job.state, job.reason, job.ended_at = state, why, timezone.now()
    job.save(update_fields=["state", "reason", "ended_at"])
    note(job, None, "ended", detail=str(state))
