"""What is to be done every few seconds by whichever workers live: schedules, cleaning up.

A tick must be harmless when several workers do it at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

__all__ = ["TICKS", "register_tick", "tick"]

_log = logging.getLogger(__name__)
TICKS: list[Callable[[], object]] = []


def register_tick(call: Callable[[], object]) -> None:
    """Have `call` called about every five seconds by each worker; registered from an app's `ready`."""
    if call not in TICKS:
        TICKS.append(call)


def tick() -> None:
    """Call them all; one that fails is logged and keeps no other from its turn."""
    for call in TICKS:
        try:
            call()
        except Exception:
            _log.exception("%s failed; it is tried again in a few seconds", getattr(call, "__name__", call))
