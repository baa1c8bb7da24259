"""The API of accounts: who calls, and who works here."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from ninja import Field, Query, Router, Schema

from accounts.api_auth import require
from accounts.organisation_api import router as organisation_router
from accounts.paging import Paging
from accounts.permissions import PERMISSIONS, may
from accounts.selectors import members_of

router = Router(tags=["accounts"])
router.add_router("", organisation_router)


class OrganisationOut(Schema):
    id: uuid.UUID
    slug: str = Field(examples=["north-bank"])
    name: str = Field(examples=["North Bank"])
    timezone: str = Field(examples=["Europe/Berlin"])


class MeOut(Schema):
    """Whom the token speaks for, where, and what it may do."""

    id: uuid.UUID
    name: str = Field(examples=["Ada Engineer"])
    email: str = Field(examples=["ada@example.org"])
    organisation: OrganisationOut
    role: str = Field(examples=["engineer"])
    scopes: list[str] = Field(examples=[["read", "write"]])
    permissions: list[str] = Field(
        description="What the role allows; the scopes may allow less.", examples=[["read", "audit"]]
    )
    token_ends_at: datetime | None


class MemberOut(Schema):
    id: uuid.UUID = Field(description="The user.")
    name: str = Field(examples=["Ada Engineer"])
    email: str = Field(examples=["ada@example.org"])
    role: str = Field(examples=["engineer"])
    second_factor: bool
    since: datetime


class MembersOut(Schema):
    count: int
    items: list[MemberOut]


@router.get("/me", response=MeOut, summary="Who am I")
def me(request: Any) -> dict[str, Any]:
    return {
        "id": request.user.pk,
        "name": str(request.user),
        "email": request.user.email,
        "organisation": request.organisation,
        "role": request.role,
        "scopes": request.token.scopes,
        "permissions": [name for name in PERMISSIONS if may(request.user, name, request.organisation)],
        "token_ends_at": request.token.expires_at,
    }


@router.get("/members", response=MembersOut, summary="Who works here")
def list_members(request: Any, page: Query[Paging]) -> dict[str, Any]:
    request = require(request, "read")
    found = members_of(request.organisation)
    return {
        "count": found.count(),
        "items": [
            {
                "id": each.user.pk,
                "name": str(each.user),
                "email": each.user.email,
                "role": each.role,
                "second_factor": each.second_factor,
                "since": each.created_at,
            }
            for each in page.of(found)
        ],
    }
