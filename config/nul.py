"""U+0000 stays outside: no database column of text can hold it, so a request that carries it is refused."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

__all__ = ["RefuseNul"]

_WHAT = "The request holds the character U+0000, which no text here may contain; leave it out."


class RefuseNul:
    """Middleware: looks at path, query and JSON bodies (form fields refuse it themselves)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not self._carries(request):
            return self._get_response(request)
        if request.path.startswith("/api/"):
            from config.api import problem

            return problem(400, "Cannot be done", _WHAT)
        return render(request, "400.html", {"message": _WHAT}, status=400)

    def _carries(self, request: HttpRequest) -> bool:
        if "\0" in request.path or "\0" in unquote(request.META.get("QUERY_STRING", "")):
            return True
        return request.content_type == "application/json" and b"\\u0000" in request.body
