"""The API of an organisation's members, invitations, tokens and settings.

What gives access that outlives the token that asked for it is made in the portal alone, by a person who is
there: invitations and tokens, whose secrets are shown once and stay in no answer that is kept.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Literal

from django.shortcuts import get_object_or_404
from ninja import Field, Query, Router, Schema, Status
from pydantic import ConfigDict

from accounts import invitations, members, services
from accounts.api_auth import ApiRequest, require
from accounts.models import ApiToken, Invitation, Membership
from accounts.paging import Paging
from accounts.selectors import tokens_of
from accounts.tokens import revoke_token

__all__ = ["router"]

router = Router(tags=["accounts"])

RoleName = Literal["owner", "engineer", "reviewer", "auditor", "operator"]


class RoleIn(Schema):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "reviewer"}]})

    role: RoleName


class OrganisationEdit(Schema):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"timezone": "Europe/Berlin"}]})

    name: str | None = Field(None, min_length=1, max_length=120)
    timezone: str | None = Field(None, max_length=64, description="An IANA name.")


class SettingsOut(Schema):
    id: uuid.UUID
    slug: str = Field(examples=["north-bank"])
    name: str = Field(examples=["North Bank"])
    timezone: str = Field(examples=["Europe/Berlin"])


class InvitationOut(Schema):
    """An invitation that can still be accepted; its link was shown once, in the portal."""

    id: uuid.UUID
    email: str = Field(examples=["grace@example.org"])
    role: str = Field(examples=["reviewer"])
    invited_by: str = Field(examples=["Ada Owner"])
    created_at: datetime
    expires_at: datetime

    @staticmethod
    def resolve_invited_by(row: Any) -> str:
        return str(row.invited_by)


class InvitationsOut(Schema):
    count: int = Field(examples=[1])
    items: list[InvitationOut]


class TokenOut(Schema):
    """A token of yours, without its secret."""

    id: uuid.UUID
    name: str = Field(examples=["CI of the scoring team"])
    prefix: str = Field(examples=["assay_3fJx9a"], description="How the secret begins.")
    scopes: list[str] = Field(examples=[["read", "write"]])
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class TokensOut(Schema):
    count: int = Field(examples=[1])
    items: list[TokenOut]


@router.put("/members/{uuid:user_id}/role", response={204: None}, summary="Give a member another role")
def change_role(request: Any, user_id: uuid.UUID, body: RoleIn) -> Status[None]:
    """400 where nobody would be left as owner."""
    request = require(request, "manage_members")
    members.change_role(_member(request, user_id), body.role, by=request.user)
    return Status(204, None)


@router.delete("/members/{uuid:user_id}", response={204: None}, summary="End a membership")
def remove_member(request: Any, user_id: uuid.UUID) -> Status[None]:
    """The person's tokens for this organisation stop working at once."""
    request = require(request, "manage_members")
    members.remove_member(_member(request, user_id), by=request.user)
    return Status(204, None)


@router.get("/invitations", response=InvitationsOut, summary="Who is invited")
def list_invitations(request: Any, page: Query[Paging]) -> dict[str, Any]:
    request = require(request, "manage_members")
    found = invitations.open_invitations(request.organisation)
    rows = found.select_related("invited_by").order_by("-created_at")
    return {"count": found.count(), "items": list(page.of(rows))}


@router.post(
    "/invitations/{uuid:invitation_id}/withdraw", response={204: None}, summary="Withdraw an invitation"
)
def withdraw_invitation(request: Any, invitation_id: uuid.UUID) -> Status[None]:
    """Its link leads nowhere from then on."""
    request = require(request, "manage_members")
    found = get_object_or_404(Invitation.objects.of(request.organisation), pk=invitation_id)
    invitations.withdraw(found, by=request.user)
    return Status(204, None)


@router.get("/organisation", response=SettingsOut, summary="The organisation")
def get_organisation(request: Any) -> Any:
    return require(request, "read").organisation


@router.patch("/organisation", response=SettingsOut, summary="Rename it, or move its time zone")
def change_organisation(request: Any, body: OrganisationEdit) -> Any:
    """Its address stays. Schedules fire in the time zone."""
    request = require(request, "manage_organisation")
    here = request.organisation
    name, timezone = body.name or here.name, body.timezone or here.timezone
    services.change_organisation(here, name, timezone, by=request.user)
    here.refresh_from_db()
    return here


@router.get("/tokens", response=TokensOut, summary="Your tokens in this organisation")
def list_tokens(request: Any, page: Query[Paging]) -> dict[str, Any]:
    request = require(request, "read")
    found = tokens_of(request.user, request.organisation)
    return {"count": found.count(), "items": list(page.of(found))}


@router.post("/tokens/{uuid:token_id}/revoke", response={204: None}, summary="Revoke a token of yours")
def revoke(request: Any, token_id: uuid.UUID) -> Status[None]:
    """Also the one that asks. No scope is needed: what is known to be lost must be stoppable."""
    mine = ApiToken.objects.of(request.organisation).filter(user=request.user)
    revoke_token(get_object_or_404(mine, pk=token_id), by=request.user)
    return Status(204, None)


def _member(request: ApiRequest, user_id: uuid.UUID) -> Membership:
    rows = Membership.objects.of(request.organisation).select_related("user")
    found: Membership = get_object_or_404(rows, user_id=user_id)
    return found
