"""The work folders of jobs: kept while a job runs, and for a day after one that could be tried again."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from assay.runner.scratch import remove
from jobs.models import Job, JobState

__all__ = ["clean_up", "remove_if_over", "work_folder"]

_log = logging.getLogger(__name__)
_KEPT = timedelta(days=1)
"""How long results of a failed or incomplete job wait for somebody to try it again."""
_RETRIED = (JobState.FAILED, JobState.INCOMPLETE)


def work_folder(job: Job) -> Path:
    """The job's own folder; shared by all workers where there are several machines."""
    return _root() / str(job.pk)


def remove_if_over(job: Job) -> None:
    """Remove the folder of a job that ended and that nobody can ask to try again."""
    state = Job.unscoped.values_list("state", flat=True).get(pk=job.pk)
    if state in (JobState.DONE, JobState.CANCELLED):
        remove(work_folder(job))


def clean_up() -> int:
    """Remove the folders of all jobs that are over, also where whoever ended them did not; returns how many.

    A worker that lost its lease may write into a folder after it was removed; this finds that too.
    """
    names = {}
    if _root().is_dir():
        for path in _root().iterdir():
            try:
                names[uuid.UUID(path.name)] = path
            except ValueError:
                continue
    if not names:
        return 0
    kept = set()
    before = timezone.now() - _KEPT
    for pk, state, ended in Job.unscoped.filter(pk__in=names).values_list("pk", "state", "ended_at"):
        if state not in JobState.ended() or (state in _RETRIED and ended is not None and ended > before):
            kept.add(pk)
    over = [path for pk, path in names.items() if pk not in kept]
    for path in over:
        remove(path)
    return len(over)


def _root() -> Path:
    return Path(settings.ENV.home) / "work"
