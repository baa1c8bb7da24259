"""API tokens of a member: made and revoked by their owner, recorded in the trail."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from accounts.api_auth import SCOPES, new_token
from accounts.models import ApiToken, Organisation, User
from assay.errors import BadInput
from trail.services import record

__all__ = ["make_token", "revoke_token"]


def make_token(
    user: User, organisation: Organisation, name: str, scopes: Sequence[str], days: int
) -> tuple[ApiToken, str]:
    """A token for programs; its secret is returned this once.

    Raises:
        BadInput: no scope, an unknown one, or a life outside 1 to 366 days.
    """
    if not scopes or set(scopes) - set(SCOPES):
        raise BadInput(f"A token has at least one of the scopes {', '.join(SCOPES)}.")
    if not 1 <= days <= 366:
        raise BadInput(f"A token lives 1 to 366 days, not {days}.")
    with transaction.atomic():
        made, secret = new_token(user, organisation, name, list(scopes), days)
        record(
            organisation.pk,
            "token.made",
            "token",
            made.pk,
            actor_id=user.pk,
            facts={"scopes": made.scopes, "days": days},
            payload={"name": name},
        )
    return made, secret


def revoke_token(token: ApiToken, *, by: User) -> None:
    """Make a token useless; nothing happens where it was revoked before."""
    with transaction.atomic():
        changed = ApiToken.unscoped.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
        if changed:
            record(token.organisation_id, "token.revoked", "token", token.pk, actor_id=by.pk)
