"""What every worker does every few seconds besides shards; any number of workers may do it at once."""

from __future__ import annotations

import logging
from collections.abc import Callable

__all__ = ["TICKS", "register_tick", "tick"]

_log = logging.getLogger(__name__)
TICKS: list[Callable[[], object]] = []


def register_tick(call: Callable[[], object]) -> None:
    """Have `call` called about every 5 s by each worker; once registered, again changes nothing."""
    if call not in TICKS:
        TICKS.append(call)


def tick() -> None:
    """Call them all; one that raises does not keep the others from being called."""
    for call in TICKS:
        try:
            call()
        except Exception:
            _log.exception("A tick failed")
