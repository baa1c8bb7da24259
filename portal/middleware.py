"""Errors for readers: what is wrong with the input comes as a page with one sentence, not as a traceback."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from assay.errors import AssayError

__all__ = ["ErrorsForReaders"]


class ErrorsForReaders:
    """Turns an AssayError that a view did not handle into a 400 page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, AssayError):
            return None
        return render(request, "400.html", {"message": error.message}, status=400)
