"""Submitting and cancelling jobs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.models import Organisation, User
from jobs import leases, wake
from jobs.kinds import get_kind
from jobs.models import Job, JobState, Shard, ShardState

__all__ = ["cancel", "submit"]


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
        leases.note(job, None, "submitted")
        leases.add_shards(job, 0, get_kind(kind).begin(job))
        transaction.on_commit(lambda: wake.wake(queue))
    return job


def cancel(job: Job) -> bool:
    """Stop a job: what nobody works on ends at once, the rest at the next renewal of its lease.

    Returns:
        False when it had ended already.
    """
    with transaction.atomic():
        locked = Job.unscoped.select_for_update().get(pk=job.pk)
        if locked.ended:
            return False
        locked.state = JobState.CANCELLING
        locked.save(update_fields=["state"])
        Shard.objects.filter(job=locked, state=ShardState.READY).update(state=ShardState.CANCELLED)
        leases.note(locked, None, "cancelling")
        leases.end_if_cancelled(locked)
    return True
