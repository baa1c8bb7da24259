"""What somebody typed into a form whose sign-in had ended: kept in the session, shown again, never sent.

Kept are the names and values of a POST that met no session or a stale CSRF token, for half an hour and up to
256 kB. Passwords, tokens and files are not kept. Whoever signs in next in this browser finds the page with
everything filled in, and sends it or not.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

__all__ = ["Kept", "drop", "keep", "kept_for", "same_origin"]

_KEY = "typed"
_SECONDS = 30 * 60
_BYTES = 256 * 1024
_SECRET = ("password", "secret", "csrfmiddlewaretoken", "otp")
_NEVER = ("/accounts/", "/admin/", "/invited/", "/api/")


@dataclass(frozen=True)
class Kept:
    """One form's fields, in order."""

    action: str
    """Path that the form was sent to."""
    page: str
    """Path of the page that the form was on."""
    fields: list[list[str]] = field(default_factory=list)
    files: bool = False
    """Files were chosen, too; they are not kept."""
    at: float = 0.0


def keep(request: HttpRequest) -> Kept | None:
    """Keep what was posted; None where it is nothing to keep, or too long."""
    if request.path.startswith(_NEVER):
        return None
    fields = [
        [name, value]
        for name, values in request.POST.lists()
        if not any(part in name.lower() for part in _SECRET)
        for value in values
    ]
    if not fields or sum(len(name) + len(value) for name, value in fields) > _BYTES:
        return None
    made = Kept(request.path, _page_of(request), fields, bool(request.FILES), time.time())
    request.session[_KEY] = asdict(made)
    return made


def kept_for(request: HttpRequest) -> Kept | None:
    """What is kept in this session."""
    found = request.session.get(_KEY)
    if found is None:
        return None
    kept = Kept(**found)
    if time.time() - kept.at > _SECONDS:
        drop(request)
        return None
    return kept


def drop(request: HttpRequest) -> None:
    request.session.pop(_KEY, None)


def same_origin(request: HttpRequest) -> bool:
    """Whether the browser says that a page of ours sent this: another site's words are not kept."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    origin = request.headers.get("Origin") or request.headers.get("Referer", "")
    return urlsplit(origin).netloc == request.get_host()


def _page_of(request: HttpRequest) -> str:
    """The page that the form was on, from the Referer if that is ours."""
    referer: str = request.headers.get("Referer", "")
    if referer and url_has_allowed_host_and_scheme(referer, {request.get_host()}):
        parts = urlsplit(referer)
        if parts.path and not parts.path.startswith(_NEVER):
            return parts.path + (f"?{parts.query}" if parts.query else "")
    return request.path
