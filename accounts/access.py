"""The door of every page of an organisation: members with the permission come in, outsiders see nothing.

An outsider gets the same 404 for an organisation that exists as for one that does not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from accounts.models import Organisation, User
from accounts.permissions import Permission, may, role_of

__all__ = ["MemberRequest", "member"]


class MemberRequest(HttpRequest):
    """A request of a member: what `@member` adds."""

    user: User
    organisation: Organisation
    role: str


View = Callable[..., HttpResponse]


def member(permission: Permission = "read") -> Callable[[View], View]:
    """Let members with `permission` in; the URL carries `org`, which the view does not get.

    The view gets a request with `organisation` and `role`.
    """

    def wrap(view: View) -> View:
        @login_required
        @wraps(view)
        def checked(request: Any, org: str, *args: Any, **kwargs: Any) -> HttpResponse:
            organisation = Organisation.objects.filter(slug=org).first()
            role = role_of(request.user, organisation) if organisation is not None else None
            if organisation is None or role is None:
                raise Http404
            request.organisation, request.role = organisation, role
            if not may(request.user, permission, organisation):
                raise PermissionDenied(f"Your role here, {role}, does not allow this.")
            # Every time on the page is the organisation's.
            with timezone.override(organisation.timezone):
                return view(request, *args, **kwargs)

        checked.permission = permission  # type: ignore[attr-defined]
        return checked

    return wrap
