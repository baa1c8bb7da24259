"""The history of shards and jobs; the chaos suite's checker reads nothing else."""

from __future__ import annotations

from typing import Protocol

from jobs.clock import DatabaseSeconds
from jobs.models import Event, Job, Shard

__all__ = ["note"]


class _Holder(Protocol):
    @property
    def token(self) -> int: ...
    @property
    def worker(self) -> str: ...


def note(job: Job, shard: Shard | None, what: str, held: _Holder | None = None, detail: str = "") -> None:
    """Add to the history; part of the caller's transaction."""
    Event.objects.create(
        job=job,
        shard=shard,
        at=DatabaseSeconds(),
        what=what,
        token=held.token if held else 0,
        worker=held.worker if held else "",
        detail=detail.replace("\0", "\ufffd")[:2_000],
    )
