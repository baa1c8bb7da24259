"""A WSGI application for gunicorn that reads bodies as uploads do, and says what came."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.http.request import UnreadablePostError

from jobs import web_worker
from models_registry import request_bodies

request_bodies.STALLED, request_bodies.LONGEST = 0.5, 2.0
web_worker.STALLED, web_worker.START = 0.5, 2.0
BUFFER = 1_000


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    request = WSGIRequest(environ)
    if request.path == "/form":
        return _form(request, start_response)
    room, hashed, size = memoryview(bytearray(BUFFER)), hashlib.sha256(), 0
    if request.path == "/read":
        assert request.body is not None  # a middleware that looks at it
    elif request.path == "/begun":
        hashed.update(request.read(10))
        size += 10
    readinto = request_bodies.reader_of(request)
    while count := readinto(room):
        hashed.update(room[:count])
        size += count
        if request.path == "/some":
            break
    direct = isinstance(getattr(readinto, "__self__", None), request_bodies._Direct)
    answer = json.dumps({"size": size, "sha256": hashed.hexdigest(), "direct": direct}).encode()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


def _form(request: WSGIRequest, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """What Django reads, as it reads every form."""
    try:
        answer = json.dumps({"size": len(request.body)}).encode()
    except UnreadablePostError:
        start_response("400 Bad Request", [("Content-Length", "0")])
        return []
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]
