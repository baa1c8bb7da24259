"""Waking workers: a message "look at queue q" that may be lost, doubled or late without harm."""

from __future__ import annotations

import logging
from collections.abc import Callable

__all__ = ["set_waker", "wake"]

_log = logging.getLogger(__name__)
_waker: Callable[[str], None] | None = None


def set_waker(waker: Callable[[str], None] | None) -> None:
    """How to reach workers: config/celery.py sets a Celery task's sender; without one, sweepers find it."""
    global _waker
    _waker = waker


def wake(queue: str) -> None:
    """Say that `queue` has work. Failing to say so costs a sweep, nothing else."""
    if _waker is None:
        return
    try:
        _waker(queue)
    except Exception as error:
        _log.warning("The wake-up for queue %s was not sent (%s); a sweep will find the work.", queue, error)
