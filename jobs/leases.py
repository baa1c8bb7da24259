"""The one place where a worker takes, keeps and gives back a shard.

Every write is conditional on the fencing token of the claim: 0 rows changed means that somebody else holds
the shard by now, and what the caller has is discarded. Promise: at-least-once execution, exactly-once
accounting.

Locks are always taken in one order, the job's row and then its shards', so that no two of these functions
wait for each other. `claim` alone starts from a shard; it takes no lock of a job while it holds one.

Longer than other files, so that every write under a token can be read beside the others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from assay.errors import Cancelled
from jobs.clock import DatabaseSeconds, seconds_sql
from jobs.ending import end_job, fail_job, tell_cancelled
from jobs.history import note, note_sql
from jobs.kinds import Advance, Finished, NewShard, Next, ShardResult, get_kind
from jobs.models import Event, Job, JobState, Shard, ShardState
from jobs.rows import columns, made, prepared

__all__ = [
    "Claim",
    "Fenced",
    "add_shards",
    "cancelled",
    "checkpoint",
    "claim",
    "claimable",
    "commit",
    "commit_advance",
    "end_if_cancelled",
    "fail",
    "lock",
    "release",
    "renew",
]

_LONGEST_PAUSE = 60.0
_HELD = "id = %s AND token = %s AND state = 'leased'"
"""That a shard is still a claim's; `_mine` says it in the mapper's words."""


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
    Shards of jobs that are being cancelled, and shards that were begun too often, are ended on the way.
    """
    while True:
        found = _take(queues, worker, prefer)
        if found is None:
            return None
        if found.job.state == JobState.CANCELLING or found.job.ended:
            cancelled(found)
        elif found.shard.attempts > settings.ENV.attempts:
            with contextlib.suppress(Fenced):
                _give_up(found, found.shard.error or "Whoever ran it ended without a word.")
        else:
            if found.job.state == JobState.WAITING:
                Job.unscoped.filter(pk=found.job.pk, state=JobState.WAITING).update(
                    state=JobState.RUNNING, started_at=timezone.now()
                )
                found.job.state = JobState.RUNNING
            return found


def claimable(queues: Sequence[str]) -> bool:
    """Whether `claim` would find something; reads only."""
    condition, params = _condition(queues)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM jobs_shard WHERE {condition} LIMIT 1", params)
        return cursor.fetchone() is not None


def _condition(queues: Sequence[str]) -> tuple[str, list[Any]]:
    """SQL of what may be claimed now.

    A time that lies further ahead than any lease or pause can reach means that the clock was set back;
    waiting for it could take years, and taking the shard is safe at any time.
    """
    now = seconds_sql()
    ahead = 4 * settings.ENV.lease_seconds + 2 * _LONGEST_PAUSE
    places = ", ".join(["%s"] * len(queues))
    return (
        f"state IN ('ready', 'leased') AND queue IN ({places})"
        f" AND (claimable_at <= {now} OR claimable_at > {now} + %s)",
        [*queues, ahead],
    )


def _take(queues: Sequence[str], worker: str, prefer: str) -> Claim | None:
    skip = "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    condition, params = _condition(queues)
    usual = f"(SELECT id FROM jobs_shard WHERE {condition} ORDER BY priority DESC, id LIMIT 1 {skip})"
    given: list[Any] = []
    if prefer:
        top = f"(SELECT priority FROM jobs_shard WHERE {condition} ORDER BY priority DESC LIMIT 1)"
        usual = (
            f"COALESCE((SELECT id FROM jobs_shard WHERE subject_key = %s AND {condition}"
            f" AND priority >= {top} ORDER BY priority DESC, id LIMIT 1 {skip}), {usual})"
        )
        given = [prefer, *params, *params]
    statement = f"""
        UPDATE jobs_shard SET state = 'leased', token = token + 1, attempts = attempts + 1,
            claimable_at = {seconds_sql()} + %s, worker = %s
        WHERE id = {usual} RETURNING {columns(Shard)}
    """
    row = _taken(statement, [settings.ENV.lease_seconds, worker, *given, *params])
    if row is None:
        return None
    width = len(Shard._meta.concrete_fields)
    shard: Shard = made(Shard, row[:width])
    job: Job = made(Job, row[width:])
    shard.job = job
    return Claim(shard, job, shard.token, worker)


def _taken(statement: str, params: list[Any]) -> Any:
    """The row of the shard that `statement` takes, with its job's; in the history it stands, too.

    That a holder had fallen silent is said first. One round trip on PostgreSQL; SQLite cannot do other
    things with what an UPDATE returns, but there is no way to go, either.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_TAKE_AND_NOTE.format(statement=statement), params)
            return cursor.fetchone()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, params)
        if (row := cursor.fetchone()) is None:
            return None
        shard: Shard = made(Shard, row)
        key = prepared(Job._meta.pk, shard.job_id)
        cursor.execute(f"SELECT {columns(Job)} FROM jobs_job WHERE id = %s", [key])
        row += cursor.fetchone()
        found = Claim(shard, Job(pk=shard.job_id), shard.token, shard.worker)
        if shard.token > 1:
            _note_expiry(found)
        note(found.job, shard, "claimed", found)
        return row


_TAKE_AND_NOTE = f"""
    WITH taken AS ({{statement}}), lines AS (
        SELECT taken.*, 0 AS line, 'expired' AS what, last.worker || ' held it' AS detail
        FROM taken, LATERAL (
            SELECT e.what, e.worker FROM jobs_event e
            WHERE e.shard_id = taken.id AND e.what <> 'fenced' ORDER BY e.id DESC LIMIT 1
        ) AS last
        WHERE taken.token > 1 AND last.what IN ('claimed', 'checkpointed')
        UNION ALL SELECT taken.*, 1, 'claimed', '' FROM taken
    ), noted AS (
        INSERT INTO jobs_event (job_id, shard_id, at, what, token, worker, detail)
        SELECT job_id, id, EXTRACT(EPOCH FROM clock_timestamp()), what, token, worker, detail
        FROM lines ORDER BY line
    )
    SELECT {columns(Shard, "taken.")}, {columns(Job, "j.")} FROM taken JOIN jobs_job j ON j.id = taken.job_id
"""


def _note_expiry(held: Claim) -> None:
    """Say so where the shard was taken from a holder that had fallen silent."""
    last = Event.objects.filter(shard=held.shard).exclude(what="fenced").order_by("-id").first()
    if last is not None and last.what in ("claimed", "checkpointed"):
        note(held.job, held.shard, "expired", held, f"{last.worker} held it")


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
    """Count the shard as done, and add the advance shard when it was the last of its stage.

    Doing it again after a commit whose confirmation was lost changes nothing. Raises Fenced.
    """
    with transaction.atomic():
        changed, last = _done(held, result, arrays)
        if not changed:
            return _unless_done(held)
        if last:
            _after(lock(held.job), held)


def commit_advance(held: Claim, step: Advance) -> None:
    """Add the next stage or end the job, with what its kind stores, in one transaction.

    Raises:
        Fenced: the lease was lost.
        Cancelled: the job is being cancelled; nothing was stored.
    """
    with transaction.atomic():
        job = lock(held.job)
        if job.state == JobState.CANCELLING:
            raise Cancelled("The job was cancelled.")
        if not _mine(held).update(state=ShardState.DONE, progress=1.0, doing="", error=""):
            return _unless_done(held)
        note(job, held.shard, "committed", held)
        if isinstance(step, Next):
            if not step.shards:
                raise ValueError(f"{job.kind} planned a stage without shards.")
            job.stage = held.shard.stage + 1
            job.save(update_fields=["stage"])
            add_shards(job, job.stage, step.shards)
        elif isinstance(step, Finished):
            get_kind(job.kind).on_done(job, step.outcome, step.incomplete)
            end_job(job, JobState.INCOMPLETE if step.incomplete else JobState.DONE, " ".join(step.incomplete))
        else:
            fail_job(job, step.why)


def fail(held: Claim, why: str, *, final: bool) -> None:
    """Give a shard back after an error: to be tried again with back-off, or given up. Raises Fenced."""
    if final or held.shard.attempts >= settings.ENV.attempts:
        return _give_up(held, why)
    pause = min(2.0**held.shard.attempts, _LONGEST_PAUSE) * min(1.0, settings.ENV.lease_seconds / 60)
    with transaction.atomic():
        changed = _mine(held).update(
            state=ShardState.READY, claimable_at=DatabaseSeconds() + pause, error=_text(why), doing=""
        )
        if not changed:
            raise Fenced
        note(held.job, held.shard, "retried", held, why)


def release(held: Claim, why: str = "", pause: float = 0.0) -> None:
    """Give a shard back unharmed (the worker is asked to stop, its disk is full): as if never begun."""
    with transaction.atomic():
        changed = _mine(held).update(
            state=ShardState.READY,
            claimable_at=DatabaseSeconds() + pause,
            attempts=F("attempts") - 1,
            doing=why[:200],
        )
        if changed:
            note(held.job, held.shard, "released", held, why)


def cancelled(held: Claim) -> None:
    """The shard is not to be run, nor any other of its job: that is being cancelled, or has ended."""
    with transaction.atomic():
        job = lock(held.job)
        Shard.objects.filter(job=job, state=ShardState.READY).update(state=ShardState.CANCELLED)
        if _end_shard(held, ShardState.CANCELLED, ""):
            _after(job, held)


def add_shards(job: Job, stage: int, shards: Sequence[NewShard], purpose: str = "work") -> None:
    """Add the shards of a stage; part of the caller's transaction."""
    Shard.objects.bulk_create(
        Shard(
            job=job,
            round=job.round,
            stage=stage,
            purpose=purpose,
            index=index,
            spec=dict(shard.spec),
            weight=shard.weight,
            queue=job.queue,
            priority=job.priority,
            subject_key=job.subject_key,
            claimable_at=DatabaseSeconds(),
        )
        for index, shard in enumerate(shards)
    )


def end_if_cancelled(job: Job) -> None:
    """End a job that is being cancelled and has no shard in work; part of the caller's transaction."""
    if job.state == JobState.CANCELLING and not _unfinished(job).exists():
        tell_cancelled(job)


def lock(job: Job) -> Job:
    """The job's row, locked until the transaction ends. Rows that refer to it can still be added."""
    return Job.unscoped.select_for_update(no_key=True).get(pk=job.pk)


def _done(held: Claim, result: ShardResult, arrays: str) -> tuple[bool, bool]:
    """End the shard as done and note it, with the job locked first, so that what others committed counts.

    Returns:
        whether the shard was still this claim's, and whether no other shard of the job is unfinished.
    """
    update = (
        "UPDATE jobs_shard SET state = 'done', result = %s, arrays = %s, progress = 1.0, doing = '',"
        f" error = '' WHERE {_HELD}"
    )
    kept = prepared(Shard._meta.get_field("result"), dict(result.data))
    given = [kept, arrays, held.shard.pk, held.token]
    others = "SELECT 1 FROM jobs_shard WHERE job_id = %s AND state IN ('ready', 'leased') AND id <> %s"
    asked = [prepared(Job._meta.pk, held.job.pk), held.shard.pk]
    noting, noted = note_sql(held.job, held.shard, "committed", held)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # one way to the server and back; two statements, so that the second sees what the lock waited for
            cursor.execute(
                "SELECT 1 FROM jobs_job WHERE id = %s FOR NO KEY UPDATE;"
                f" WITH done AS ({update} RETURNING id),"
                f" noted AS ({noting} WHERE EXISTS (SELECT 1 FROM done))"
                f" SELECT EXISTS (SELECT 1 FROM done), NOT EXISTS ({others})",
                [asked[0], *given, *noted, *asked],
            )
            cursor.nextset()
            changed, last = cursor.fetchone()
            return bool(changed), bool(last)
        cursor.execute(update, given)
        if not cursor.rowcount:
            return False, False
        cursor.execute(noting, noted)
        cursor.execute(f"SELECT NOT EXISTS ({others})", asked)
        return True, bool(cursor.fetchone()[0])


def _text(words: str) -> str:
    """Words of a child, without what PostgreSQL cannot hold."""
    return words.replace("\0", "\ufffd")


def _mine(held: Claim) -> Any:
    return Shard.objects.filter(pk=held.shard.pk, token=held.token, state=ShardState.LEASED)


def _unless_done(held: Claim) -> None:
    """Raise Fenced, unless this very claim was committed before and only the confirmation got lost."""
    if not Shard.objects.filter(pk=held.shard.pk, token=held.token, state=ShardState.DONE).exists():
        raise Fenced


def _unfinished(job: Job) -> Any:
    return Shard.objects.filter(job=job, state__in=(ShardState.READY, ShardState.LEASED))


def _give_up(held: Claim, why: str) -> None:
    with transaction.atomic():
        job = lock(held.job)
        if not _end_shard(held, ShardState.FAILED, why):
            raise Fenced
        _after(job, held)


def _end_shard(held: Claim, state: ShardState, why: str) -> int:
    changed: int = _mine(held).update(state=state, error=_text(why), doing="")
    if changed:
        note(held.job, held.shard, str(state), held, why)
    return changed


def _after(job: Job, held: Claim) -> None:
    """What follows from a shard that ended; `job` is locked."""
    if job.ended or _unfinished(job).exists():
        return
    if job.state == JobState.CANCELLING:
        tell_cancelled(job)
    elif held.shard.purpose == "advance":
        fail_job(job, Shard.objects.values_list("error", flat=True).get(pk=held.shard.pk))
    else:
        add_shards(job, held.shard.stage, [NewShard({})], "advance")
