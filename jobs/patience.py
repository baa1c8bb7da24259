"""Calls that outlast a database that is away for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection

__all__ = ["patiently"]

_AGAIN = 4
"""Errors in a row that a database which answers may give before the call is taken to be at fault."""

T = TypeVar("T")


def patiently(call: Callable[[], T], stopping: threading.Event, seconds: float = 120.0) -> T:
    """Call until it succeeds, with a new connection after each loss of the database.

    What is called must be safe to repeat when its commit was done but not confirmed: the writes of
    jobs/leases.py are, by their token.

    Args:
        call: does its work in transactions of its own.
        stopping: ends the patience after a few seconds once it is set.
        seconds: how long the database may be away.

    Raises:
        OperationalError, InterfaceError: it stayed away, or it answers and the call fails all the same.
    """
    start, pause, answered = time.monotonic(), 0.05, 0
    while True:
        try:
            return call()
        except (OperationalError, InterfaceError):
            connection.close()
            answered += _answers()
            waited = time.monotonic() - start
            if answered >= _AGAIN or waited > (5.0 if stopping.is_set() else seconds):
                raise
            time.sleep(pause)
            pause = min(pause * 2, 2.0)


def _answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        connection.close()
        return False
    return True
