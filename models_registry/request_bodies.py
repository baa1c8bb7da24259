"""The raw body of a request, into the caller's own buffers.

Read through Django and gunicorn, each byte is copied four times before it is anybody's. Under gunicorn it
comes straight from the socket here, and gunicorn's own count of what is left of the body goes along, so that
the connection lives on. Elsewhere (another server, a test) Django reads.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from django.http import HttpRequest
from django.http.request import UnreadablePostError
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.unreader import SocketUnreader

__all__ = ["LONGEST", "STALLED", "reader_of"]

STALLED = 30.0
"""Seconds without a byte after which a connection counts as broken."""
LONGEST = 600.0
"""Seconds after which a request counts as broken whatever still comes: it holds a thread of the server."""


def reader_of(request: HttpRequest) -> Callable[[memoryview], int]:
    """What fills a buffer from its beginning with what is there of the body, and says how many bytes that is.

    0 is the end; a connection that broke, stalled or took too long ends, too.
    """
    body, connection = request.META.get("wsgi.input"), request.META.get("gunicorn.socket")
    if (
        isinstance(connection, socket.socket)
        and isinstance(body, Body)
        and isinstance(body.reader, LengthReader)
        and isinstance(body.reader.unreader, SocketUnreader)
        and _is_unread(request, body)
    ):
        return _Direct(connection, body, body.reader).read
    return lambda buffer: _copied(request, buffer)


def _is_unread(request: HttpRequest, body: Body) -> bool:
    """Whether nobody has taken any of the body yet: what Django keeps of it is not on the socket any more."""
    announced = str(request.META.get("CONTENT_LENGTH") or 0)
    return not hasattr(request, "_body") and not body.buf.tell() and announced == str(body.reader.length)


def _copied(request: HttpRequest, buffer: memoryview) -> int:
    try:
        found = request.read(len(buffer))
    except UnreadablePostError:
        return 0
    buffer[: len(found)] = found
    return len(found)


class _Direct:
    """The rest of one body that gunicorn has not read."""

    def __init__(self, connection: socket.socket, body: Body, reader: LengthReader) -> None:
        self._connection = connection
        self._body = body
        self._reader = reader
        self._until = time.monotonic() + LONGEST

    def read(self, buffer: memoryview) -> int:
        wanted: int = min(len(buffer), self._reader.length)
        if not wanted or self._body.failed:
            return 0
        early = self._reader.unreader.take_buffered()  # what came with the headers
        if early:
            self._reader.unreader.unread(early[wanted:])
            count = len(early[:wanted])
            buffer[:count] = early[:wanted]
        else:
            count = self._received(buffer[:wanted])
        self._reader.length -= count
        self._body.failed = not count
        return count

    def _received(self, buffer: memoryview) -> int:
        left = self._until - time.monotonic()
        if left <= 0:
            return 0
        before = self._connection.gettimeout()
        self._connection.settimeout(min(STALLED, left))
        try:
            return self._connection.recv_into(buffer)
        except OSError:
            return 0
        finally:
            self._connection.settimeout(before)
