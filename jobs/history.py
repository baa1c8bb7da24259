"""The history of shards and jobs; the chaos suite's checker reads nothing else."""

from __future__ import annotations

from typing import Any, Protocol

from django.db import connection

from jobs.clock import seconds_sql
from jobs.models import Job, Shard
from jobs.rows import prepared

__all__ = ["note", "note_sql"]


class _Holder(Protocol):
    @property
    def token(self) -> int: ...
    @property
    def worker(self) -> str: ...


def note(job: Job, shard: Shard | None, what: str, held: _Holder | None = None, detail: str = "") -> None:
    """Add to the history; part of the caller's transaction."""
    statement, params = note_sql(job, shard, what, held, detail)
    with connection.cursor() as cursor:
        cursor.execute(statement, params)


def note_sql(
    job: Job, shard: Shard | None, what: str, held: _Holder | None = None, detail: str = ""
) -> tuple[str, list[Any]]:
    """The statement of `note`, for callers that send another one along with it or add a WHERE."""
    return (
        "INSERT INTO jobs_event (job_id, shard_id, at, what, token, worker, detail)"
        f" SELECT %s, %s, {seconds_sql()}, %s, %s, %s, %s",
        [
            prepared(Job._meta.pk, job.pk),
            shard.pk if shard else None,
            what,
            held.token if held else 0,
            held.worker if held else "",
            detail.replace("\0", "\ufffd")[:2_000],
        ],
    )
