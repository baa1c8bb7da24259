"""API tokens: who calls, for which organisation, with which scopes.

A token looks like assay_<43 characters>; the service keeps its SHA-256 alone.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from accounts.models import ApiToken, Organisation, User
from accounts.permissions import Permission, may, role_of

__all__ = ["ApiRequest", "TokenAuth", "new_token", "require"]

SCOPES = ("read", "write", "review", "rows", "manage")
_SCOPE_OF: dict[str, str] = {
    "read": "read",
    "read_trail": "read",
    "review": "review",
    "read_rows": "rows",
    "manage_members": "manage",
    "manage_organisation": "manage",
}
"""Permission -> the scope that it takes; `write` where nothing is said. Single rows, members and what cannot
be undone have scopes of their own, so that the token of a pipeline never has them by the way."""


class ApiRequest(HttpRequest):
    """A request that came with a valid token."""

    user: User
    organisation: Organisation
    role: str
    token: ApiToken


class ApiForbidden(Exception):
    """The token or its owner's role does not allow this."""


class TokenAuth(HttpBearer):
    """Checks `Authorization: Bearer assay_...` and hangs user, organisation and role on the request."""

    def authenticate(self, request: Any, token: str) -> ApiToken | None:
        now = timezone.now()
        digest = hashlib.sha256(token.encode()).hexdigest()
        found = (
            ApiToken.unscoped.select_related("user", "organisation")
            .filter(Q(expires_at=None) | Q(expires_at__gt=now), token_digest=digest, revoked_at=None)
            .first()
        )
        if found is None:
            return None
        role = role_of(found.user, found.organisation)
        if role is None:
            return None
        request.user, request.organisation, request.role, request.token = (
            found.user,
            found.organisation,
            role,
            found,
        )
        if found.last_used_at is None or now - found.last_used_at > timedelta(minutes=1):
            ApiToken.unscoped.filter(pk=found.pk).update(last_used_at=now)
        return found


def new_token(
    user: User, organisation: Organisation, name: str, scopes: list[str], days: int | None = 90
) -> tuple[ApiToken, str]:
    """Make a token; its secret is returned this once."""
    secret = f"assay_{secrets.token_urlsafe(32)}"
    made = ApiToken.objects.create(
        organisation=organisation,
        user=user,
        name=name,
        prefix=secret[:12],
        token_digest=hashlib.sha256(secret.encode()).hexdigest(),
        scopes=[scope for scope in SCOPES if scope in scopes],
        expires_at=timezone.now() + timedelta(days=days) if days else None,
    )
    return made, secret


def require(request: Any, permission: Permission) -> ApiRequest:
    """Raise ApiForbidden unless token and role allow it; returns the request, typed."""
    scope = _SCOPE_OF.get(permission, "write")
    if scope not in request.token.scopes:
        raise ApiForbidden(f'This token lacks the scope "{scope}".')
    if not may(request.user, permission, request.organisation):
        raise ApiForbidden(f"Your role, {request.role}, does not allow this.")
    found: ApiRequest = request
    return found
