"""Nothing typed is lost: a form whose sender is signed out meanwhile, or has to confirm who they are, waits
in the session until they are back.

A form carries `typed_by`, its reader's signed id, so that what one person typed is shown to nobody else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.http import HttpResponse, QueryDict

from accounts.models import User

__all__ = ["forget", "keep", "keeps_typed", "kept", "typed_by"]

_SESSION = "compliance_typed"
_SALT = "compliance.typed"
_MOST_FORMS = 5
_MOST_CHARACTERS = 100_000

View = Callable[..., HttpResponse]


def typed_by(user: User) -> str:
    """What a form carries to say whose it is."""
    return signing.dumps(str(user.pk), salt=_SALT)


def keeps_typed(view: View) -> View:
    """Outermost on a view that takes a form: who is signed out signs in and finds what they had typed.

    The same address shows the form on GET (or leads to it).
    """

    @wraps(view)
    def keeping(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and not request.user.is_authenticated:
            keep(request)
            return redirect_to_login(request.path)
        return view(request, *args, **kwargs)

    return keeping


def keep(request: Any) -> None:
    """Keep what was typed for its address; nothing where the form does not say whose it is."""
    try:
        owner = signing.loads(request.POST.get("typed_by", ""), salt=_SALT, max_age=7 * 86_400)
    except signing.BadSignature:
        return
    fields = {
        name: values
        for name, values in request.POST.lists()
        if name not in ("csrfmiddlewaretoken", "typed_by", "revision")
    }
    if sum(len(value) for values in fields.values() for value in values) > _MOST_CHARACTERS:
        return
    found = request.session.get(_SESSION, {})
    found.pop(request.path, None)
    found[request.path] = {"by": owner, "fields": fields}
    for path in list(found)[:-_MOST_FORMS]:
        del found[path]
    request.session[_SESSION] = found


def kept(request: Any, path: str) -> QueryDict | None:
    """What this person had typed for `path`."""
    found = request.session.get(_SESSION, {}).get(path)
    if found is None or found["by"] != str(request.user.pk):
        return None
    data = QueryDict(mutable=True)
    for name, values in found["fields"].items():
        data.setlist(name, values)
    return data


def forget(request: Any, path: str) -> None:
    """What was typed for `path` has arrived."""
    found = request.session.get(_SESSION, {})
    if found.pop(path, None) is not None:
        request.session[_SESSION] = found
