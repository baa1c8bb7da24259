"""Several people at the same moment, in threads of their own and with real commits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

from assay.errors import AssayError

__all__ = ["at_once"]


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do everything from one starting line; what each returned or raised, in the order given."""
    line, results = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place: int) -> None:
        line.wait()
        try:
            results[place] = acts[place]()
        except AssayError as error:
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results
