"""Between browser and views: errors for readers, forms whose sign-in had ended, NUL characters."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import escape
from django.utils.http import url_has_allowed_host_and_scheme

from assay.errors import AssayError, BadInput
from portal import kept as typed
from portal.refill import refill

__all__ = ["ErrorsForReaders", "KeepTyped", "NoNulls"]

Handler = Callable[[HttpRequest], HttpResponse]


_CONFIRMING = ("account_reauthenticate", "mfa_reauthenticate")
"""Where somebody who is signed in shows again who they are."""


class ErrorsForReaders:
    """Turns an AssayError that a view did not handle into a 400 page, or a 409 one for conflicts."""

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, AssayError):
            return None
        status = 409 if error.code == "conflict" else 400
        return render(request, "400.html", {"message": error.message}, status=status)


class NoNulls:
    """Refuses NUL characters, which PostgreSQL's text cannot hold, and bodies that broke off, before any view
    meets them."""

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            if not _has_null(request):
                return self._get_response(request)
            message = "A NUL character is in what was sent; no text holds one."
        except UnreadablePostError:
            message = "The request broke off before all of it was there."
        if request.path.startswith("/api/"):
            body = {"type": "about:blank", "title": "Cannot be done", "status": 400, "detail": message}
            body["code"] = BadInput.code
            return HttpResponse(json.dumps(body), status=400, content_type="application/problem+json")
        return HttpResponse(message, status=400, content_type="text/plain")


def _has_null(request: HttpRequest) -> bool:
    if "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
        return True
    if request.method in ("PATCH", "PUT") and "/uploads/" in request.path:
        return False  # raw bytes of a file, which are no text
    if request.content_type == "application/json" or request.path.startswith("/api/"):
        # The API reads JSON whatever it is called: curl --data calls it a form.
        return b"\\u0000" in request.body or b"\x00" in request.body
    announced = str(request.META.get("CONTENT_LENGTH") or 0)
    if not announced.isdigit() or int(announced) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return False  # the view refuses it unread
    return request.content_type == "application/x-www-form-urlencoded" and b"%00" in request.body


class KeepTyped:
    """Nothing typed is lost to a sign-in that ended, or to a confirmation of who one is (portal/kept.py); a
    page of htmx goes to the sign-in."""

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self._get_response(request)
        if answer.status_code == 302:
            place = urlsplit(answer["Location"])
            if place.path == reverse(settings.LOGIN_URL):
                return self._ended(request, answer)
            if request.method == "POST" and place.path in map(reverse, _CONFIRMING):
                typed.keep(request, page=parse_qs(place.query).get("next", [""])[0])
                return answer
        found = typed.kept_here(request) if settings.SESSION_COOKIE_NAME in request.COOKIES else []
        for kept in reversed(found):
            if request.method == "POST" and request.path == kept.action and answer.status_code < 400:
                typed.drop(request, kept.action)
            elif request.method == "GET" and request.get_full_path() == kept.page:
                return self._filled(request, answer, kept)
        return answer

    def _ended(self, request: HttpRequest, answer: HttpResponse) -> HttpResponse:
        """On the way to the sign-in."""
        page = ""
        if request.method == "POST":
            if kept := typed.keep(request):
                page = kept.page
            elif typed.same_origin(request):
                page = typed.page_of(request)  # a button's own address shows nothing
        if request.headers.get("HX-Request") == "true":
            page = page or request.headers.get("HX-Current-URL", "")
            return HttpResponse(status=204, headers={"HX-Redirect": _sign_in(page)})
        return redirect(_sign_in(page)) if page else answer

    def _filled(self, request: HttpRequest, answer: HttpResponse, kept: typed.Kept) -> HttpResponse:
        """The page that was left, filled in; the list of what was typed where its form is gone."""
        html = answer.status_code == 200 and answer.get("Content-Type", "").startswith("text/html")
        if answer.status_code == 302:
            if url_has_allowed_host_and_scheme(answer["Location"], None):
                typed.move(request, kept, answer["Location"])  # the form is where this leads
            return answer
        if html and answer.streaming:
            return answer
        filled = refill(answer.content.decode(), kept.page, kept.action, kept.fields) if html else None
        if filled is None:
            typed.move(request, kept, "")
            return redirect("portal:kept")
        words = "What you typed is filled in again. Nothing of it was sent yet: look at it, then send it."
        if kept.files:
            words += " Files have to be chosen again."
        banner = f'<p class="banner warning" role="status">{escape(words)}</p>'
        mark = '<main id="content" tabindex="-1">'
        answer.content = filled.replace(mark, mark + banner, 1).encode()
        answer.headers.pop("Content-Length", None)
        answer.headers.pop("ETag", None)
        answer["Cache-Control"] = "no-store"
        return answer


def _sign_in(page: str) -> str:
    return (
        f"{reverse(settings.LOGIN_URL)}?{urlencode({'next': page})}" if page else reverse(settings.LOGIN_URL)
    )
