"""The web server's worker, which waits for no request without end.

gunicorn's own threads read the head of a request, and what the application asks for of its body, from a
socket that may stay silent: as many silent connections as there are threads stop the service. Here a request
that stalls, or comes more slowly than any line does, counts as broken and its connection is closed. Bodies
of uploads have limits of their own (models_registry/request_bodies.py). TLS ends at a proxy.
"""

from __future__ import annotations

import contextlib
import errno
import time
from typing import Any

from gunicorn.http import get_parser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import ThreadWorker

__all__ = ["LONGEST", "SLOWEST", "STALLED", "START", "WebWorker"]

STALLED = 10.0
"""Seconds without a byte after which a connection counts as broken."""
START = 20.0
"""Seconds that head and body of a request may take."""
SLOWEST = 16 * 2**10
"""Bytes that must come for each second beyond START."""
LONGEST = 600.0
"""Seconds after which a request counts as broken whatever still comes."""


class WebWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's threads, each of which is free again in bounded time."""

    def handle(self, conn: Any) -> Any:
        """One request, in a thread."""
        if conn.parser is None:
            conn.parser = get_parser(conn.cfg, conn.sock, conn.client)
            conn.parser.unreader = _Bounded(conn.sock)
        bounded: _Bounded = conn.parser.unreader
        bounded.begin()
        kept = super().handle(conn)
        if bounded.broken:
            # The one thread that accepts would wait for the silent sender to close, too.
            raise _too_late()
        return kept


class _Bounded(SocketUnreader):  # type: ignore[misc]
    """What comes over one connection, in bounded time for each request."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self.begin()

    def begin(self) -> None:
        """Another request begins."""
        self._start, self._came, self.broken = time.monotonic(), 0, False

    def chunk(self, size_hint: int | None = None) -> bytes:
        """What comes next. Raises ConnectionResetError where that is too late."""
        allowed = min(LONGEST, START + self._came / SLOWEST)
        left = self._start + allowed - time.monotonic()
        before = self.sock.gettimeout()
        try:
            if left <= 0:
                raise TimeoutError
            self.sock.settimeout(min(STALLED, left) if before is None else min(STALLED, left, before))
            found: bytes = super().chunk(size_hint)
        except TimeoutError:
            self.broken = True
            raise _too_late() from None
        finally:
            with contextlib.suppress(OSError):
                self.sock.settimeout(before)
        self._came += len(found)
        return found


def _too_late() -> OSError:
    return ConnectionResetError(errno.ECONNRESET, "The request did not come in time.")
