"""Chunks of uploads come from the connection into memory that is used again and again.

Fresh memory for every chunk costs half as much as hashing it, since the system clears each page first, and
passing it through the web server's buffers as much again. So gunicorn is asked for its connection; of any
other server, and of a body without a length, the request is read.
"""

from __future__ import annotations

import weakref
from typing import Any

from django.http import HttpRequest
from django.http.request import UnreadablePostError

__all__ = ["received"]

_PIECE = 256 * 2**10
_KEPT = 4
"""Buffers that stay; those of a busier moment are given back to the system."""

_free: list[bytearray] = []


def received(request: HttpRequest, most: int) -> memoryview:
    """The body, up to `most` bytes, which are used again when nobody holds the view.

    Raises:
        UnreadablePostError: the connection broke.
    """
    try:
        buffer = _free.pop()
    except IndexError:
        buffer = bytearray(most)
    if len(buffer) < most:
        buffer = bytearray(most)
    whole = memoryview(buffer)
    body = request.environ.get("wsgi.input") if hasattr(request, "environ") else None
    size = _from_connection(body, whole) if _is_gunicorns(body) else _from_request(request, whole)
    view = whole[:size]
    weakref.finalize(view, _give_back, buffer).atexit = False
    return view


def _is_gunicorns(body: Any) -> bool:
    """Whether it is a body of known length as gunicorn 27 reads it."""
    unreader = getattr(getattr(body, "reader", None), "unreader", None)
    return (
        hasattr(body, "failed")
        and isinstance(getattr(body.reader, "length", None), int)
        and hasattr(unreader, "take_buffered")
        and hasattr(unreader, "sock")
    )


def _from_connection(body: Any, into: memoryview) -> int:
    """First what came with the headers, then straight from the socket; gunicorn is told how much."""
    reader, unreader = body.reader, body.reader.unreader
    wanted = min(int(reader.length), len(into))
    ahead = unreader.take_buffered()
    size = min(len(ahead), wanted)
    into[:size] = ahead[:size]
    unreader.unread(ahead[size:])
    try:
        while size < wanted and (got := unreader.sock.recv_into(into[size:wanted])):
            size += got
    except OSError as error:
        body.failed = True  # where the next request begins is unknown: the connection is closed
        raise UnreadablePostError(*error.args) from error
    body.failed = body.failed or size < wanted
    reader.length -= size
    return size


def _from_request(request: HttpRequest, into: memoryview) -> int:
    size = 0
    while size < len(into) and (piece := request.read(min(_PIECE, len(into) - size))):
        into[size : size + len(piece)] = piece
        size += len(piece)
    return size


def _give_back(buffer: bytearray) -> None:
    if len(_free) < _KEPT:
        _free.append(buffer)
