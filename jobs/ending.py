"""How a job ends: its kind is told inside the transaction that ends it.

A kind whose `on_failed` or `on_cancelled` is broken must not stop the queue: what it wrote is rolled back,
the job ends all the same, and its reason and the log say so. (`on_done` may fail: then the shard is tried
again, and in the end the job fails.)
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from jobs.history import note
from jobs.kinds import get_kind
from jobs.models import Job, JobState

__all__ = ["end_job", "fail_job", "tell_cancelled"]

_log = logging.getLogger(__name__)


def end_job(job: Job, state: JobState, why: str) -> None:
    """Write the end of a job whose row is locked."""
    job.state, job.reason, job.ended_at = state, why, timezone.now()
    job.save(update_fields=["state", "reason", "ended_at"])
    note(job, None, "ended", detail=str(state))


def fail_job(job: Job, why: str) -> None:
    """The job failed; `why` is for readers."""
    why += _tell(job, lambda: get_kind(job.kind).on_failed(job, why))
    end_job(job, JobState.FAILED, why)


def tell_cancelled(job: Job) -> None:
    """The job was cancelled and nobody works on it any more."""
    end_job(job, JobState.CANCELLED, _tell(job, lambda: get_kind(job.kind).on_cancelled(job)).strip())


def _tell(job: Job, call: Callable[[], None]) -> str:
    """What is to be added to the job's reason."""
    try:
        with transaction.atomic():
            call()
    except (OperationalError, InterfaceError):
        raise  # the database is away: the whole transaction is done again
    except Exception as error:
        _log.exception("%s was not told of its end", job)
        return f" What asked for it was not told ({type(error).__name__}); the service's log says why."
    return ""
