"""The one Celery task: a message that says "look at queue q". It carries no state.

It is acknowledged early, never retried and has no result: lost it costs a sweep, doubled it costs nothing.
It returns at once, so no message waits unacknowledged behind a shard that runs for hours.
"""

from __future__ import annotations

from celery import shared_task

from jobs.station import Station

__all__ = ["host", "look", "look_here"]

_station: Station | None = None


def host(station: Station | None) -> None:
    """Say which station this process's messages nudge."""
    global _station
    _station = station


def look_here(queue: str) -> None:
    """Nudge this process's slots, where it has any."""
    if _station is not None:
        _station.nudge(queue)


@shared_task(name="jobs.look", ignore_result=True, acks_late=False, max_retries=0)  # type: ignore[untyped-decorator]
def look(queue: str) -> None:
    """Let this worker's idle slots look for work in `queue`."""
    look_here(queue)
