"""What somebody typed into a form that could not be taken: kept in the session, shown again, never sent.

Kept are the names and values of a POST whose sign-in had ended, that met a stale CSRF token, or whose sender
has to confirm who they are: the last five, for half an hour, up to 256 kB each. Passwords, tokens and files
are not kept. Who typed it finds the page with everything filled in after signing in, and sends it or not.

Every form says whose it is (`typed_by`, a signed id that `{% csrf_token %}` adds): the next person in the
same browser sees nothing of it.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from urllib.parse import urlsplit

from django.core import signing
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import User

__all__ = ["TYPED_BY", "Kept", "drop", "keep", "kept_here", "move", "page_of", "same_origin", "typed_by"]

TYPED_BY = "typed_by"
"""The field of a form that says whose it is."""
_KEY = "kept"
_MOST = 5
_SECONDS = 30 * 60
_DAYS = 7
_BYTES = 256 * 1024
_SECRET = ("password", "secret", "csrfmiddlewaretoken", "otp", TYPED_BY)
_NEVER = ("/accounts/", "/admin/", "/invited/", "/api/")


@dataclass(frozen=True)
class Kept:
    """One form's fields, in order."""

    by: str
    """Id of who typed them."""
    action: str
    """Path that the form was sent to."""
    page: str
    """Path of the page that the form is on; empty where it is on none any more."""
    fields: list[list[str]] = field(default_factory=list)
    files: bool = False
    """Files were chosen, too; they are not kept."""
    at: float = 0.0


def typed_by(user: User) -> str:
    """What a person's forms carry."""
    return signing.dumps(str(user.pk), salt=_KEY)


def keep(request: HttpRequest, page: str = "") -> Kept | None:
    """Keep what was posted; None where it is nothing to keep, too long, or nobody's.

    Args:
        page: where the form will be found again; the page that it was sent from where none is given.
    """
    if request.path.startswith(_NEVER):
        return None
    try:
        by = signing.loads(request.POST.get(TYPED_BY, ""), salt=_KEY, max_age=_DAYS * 86_400)
    except signing.BadSignature:
        return None
    fields = [
        [name, value]
        for name, values in request.POST.lists()
        if not any(part in name.lower() for part in _SECRET)
        for value in values
    ]
    if not fields or sum(len(name) + len(value) for name, value in fields) > _BYTES:
        return None
    action = request.path
    if request.headers.get("HX-Request") == "true":
        # Sent to be looked at while it was typed: the form itself goes to the address of its page.
        page = _page_at(request, request.headers.get("HX-Current-URL", ""))
        action = urlsplit(page).path or action
    made = Kept(by, action, page or page_of(request) or action, fields, bool(request.FILES), time.time())
    drop(request, made.action)
    _put(request, [*_all(request), made][-_MOST:])
    return made


def kept_here(request: HttpRequest) -> list[Kept]:
    """What this person typed and has not sent yet, the latest last."""
    found = _all(request)
    recent = [kept for kept in found if time.time() - kept.at <= _SECONDS]
    if len(recent) < len(found):
        _put(request, recent)
    return [kept for kept in recent if kept.by == str(request.user.pk)]


def move(request: HttpRequest, kept: Kept, page: str) -> None:
    """The form is on another page than it was; on none if that is empty."""
    _put(request, [replace(each, page=page) if each == kept else each for each in _all(request)])


def drop(request: HttpRequest, action: str) -> None:
    """What was typed for this address has arrived, or is not wanted any more."""
    found = _all(request)
    left = [kept for kept in found if kept.action != action]
    if len(left) < len(found):
        _put(request, left)


def same_origin(request: HttpRequest) -> bool:
    """Whether the browser says that a page of ours sent this: another site's words are not kept."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    origin = request.headers.get("Origin") or request.headers.get("Referer", "")
    return urlsplit(origin).netloc == request.get_host()


def _all(request: HttpRequest) -> list[Kept]:
    return [Kept(**each) for each in request.session.get(_KEY, ())]


def _put(request: HttpRequest, found: list[Kept]) -> None:
    if found:
        request.session[_KEY] = [asdict(each) for each in found]
    else:
        request.session.pop(_KEY, None)


def page_of(request: HttpRequest) -> str:
    """The page that the form was on, from the Referer; empty if that is not ours."""
    return _page_at(request, request.headers.get("Referer", ""))


def _page_at(request: HttpRequest, address: str) -> str:
    """Path and query of an address, if that is a page of ours with forms of its own."""
    if address and url_has_allowed_host_and_scheme(address, {request.get_host()}):
        parts = urlsplit(address)
        if parts.path and not parts.path.startswith(_NEVER):
            return parts.path + (f"?{parts.query}" if parts.query else "")
    return ""
