"""Submitting jobs, cancelling them, and having ended ones tried again."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.models import Organisation, User
from assay.errors import AssayError, BadInput
from jobs import leases, wake
from jobs.clock import DatabaseSeconds
from jobs.folders import work_folder
from jobs.history import note
from jobs.kinds import NewShard, Retryable, get_kind
from jobs.models import Job, JobState, Shard, ShardState
from trail.services import record

__all__ = ["cancel", "retry", "submit"]

_RETRIED = (JobState.FAILED, JobState.INCOMPLETE)


def submit(
    kind: str,
    organisation: Organisation,
    target_id: uuid.UUID,
    *,
    request: Mapping[str, Any] | None = None,
    subject_key: str = "",
    queue: str = "cpu",
    priority: int = 0,
    by: User | None = None,
) -> Job:
    """Add a job and its first shards, in the caller's transaction; workers are woken after it commits."""
    with transaction.atomic():
        job: Job = Job.objects.create(
            organisation=organisation,
            kind=kind,
            target_id=target_id,
            request=dict(request or {}),
            subject_key=subject_key,
            queue=queue,
            priority=priority,
            submitted_by=by,
        )
        note(job, None, "submitted")
        shards = get_kind(kind).begin(job)
        if not shards:
            raise ValueError(f"{kind} has no shard to begin with.")
        leases.add_shards(job, 0, shards)
        transaction.on_commit(lambda: wake.wake(queue))
    return job


def cancel(job: Job, *, by: User | None = None) -> bool:
    """Stop a job: what nobody works on ends at once, the rest within seconds.

    Args:
        by: who decided it, for the trail; None where the caller records its own decision.

    Returns:
        False when it had ended already.
    """
    with transaction.atomic():
        locked = leases.lock(job)
        if locked.ended:
            return False
        if locked.state != JobState.CANCELLING:
            locked.state = JobState.CANCELLING
            locked.save(update_fields=["state"])
            note(locked, None, "cancelling")
            if by is not None:
                record(
                    locked.organisation_id,
                    "job.cancelled",
                    "job",
                    locked.pk,
                    actor_id=by.pk,
                    facts={"kind": locked.kind},
                )
        Shard.objects.filter(job=locked, state=ShardState.READY).update(state=ShardState.CANCELLED)
        leases.end_if_cancelled(locked)
    return True


def retry(job: Job, *, by: User | None = None) -> None:
    """Let a failed or incomplete job run again: what failed from the first attempt, what is done stays.

    Later stages are planned anew, since they were planned without what had failed. Done shards whose results
    are no longer there are run again too.

    Raises:
        BadInput: its kind does not allow it, or it ended well.
        AssayError: (conflict) it runs already.
    """
    kind = get_kind(job.kind)
    with transaction.atomic():
        locked = leases.lock(job)
        if not locked.ended:
            raise AssayError("The job is running already.", code="conflict")
        if locked.state not in _RETRIED:
            raise BadInput("Only a job that failed or stayed incomplete can be tried again.")
        if not isinstance(kind, Retryable):
            raise BadInput("A job of this kind cannot be tried again; start a new one instead.")
        locked.round += 1
        _reopen_shards(locked)
        locked.state, locked.reason, locked.ended_at = JobState.RUNNING, "", None
        locked.save(update_fields=["round", "stage", "state", "reason", "ended_at"])
        note(locked, None, "reopened", detail=f"round {locked.round}")
        kind.on_retried(locked)
        if by is not None:
            record(
                locked.organisation_id,
                "job.retried",
                "job",
                locked.pk,
                actor_id=by.pk,
                facts={"kind": locked.kind, "round": locked.round},
            )
        queue = locked.queue
        transaction.on_commit(lambda: wake.wake(queue))


def _reopen_shards(job: Job) -> None:
    """Make ready what failed or lost its results, and replace what was planned after it."""
    counted = Shard.objects.filter(job=job).exclude(state=ShardState.CANCELLED)
    work = counted.filter(purpose="work")
    folder = work_folder(job)
    lost = [
        shard.pk
        for shard in work.filter(state=ShardState.DONE).exclude(arrays="").only("arrays")
        if not (folder / shard.arrays).exists()
    ]
    again = work.filter(Q(state=ShardState.FAILED) | Q(pk__in=lost))
    first = again.order_by("stage").values_list("stage", flat=True).first()
    stage = job.stage if first is None else first
    ready = list(again.filter(stage=stage).values_list("pk", flat=True))
    counted.filter(Q(stage__gt=stage) | Q(stage=stage, purpose="advance")).update(state=ShardState.CANCELLED)
    Shard.objects.filter(pk__in=ready).update(
        state=ShardState.READY,
        attempts=0,
        claimable_at=DatabaseSeconds(),
        progress=0.0,
        doing="",
        error="",
        result=None,
    )
    job.stage = stage
    if not ready:
        leases.add_shards(job, stage, [NewShard({})], "advance")
