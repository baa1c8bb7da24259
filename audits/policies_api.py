"""The API of policies."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Status

from accounts.api_auth import ApiRequest, require
from assay.policy import list_packs
from audits import policies
from audits.api_schemas import (
    NewPolicyText,
    PackChoice,
    PackOut,
    PolicyOut,
    PolicyPage,
    PolicySummary,
    PolicyVersionOut,
)
from audits.models import Policy, PolicyVersion
from audits.selectors import policies_of

router = Router(tags=["policies"])

Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]


@router.get("/policies", response=PolicyPage)
def list_policies(
    request: HttpRequest, archived: bool = False, limit: Limit = 100, offset: Offset = 0
) -> PolicyPage:
    """The organisation's policies with their newest version."""
    request = require(request, "read")
    found = policies_of(request.organisation, archived=archived)
    rows = list(found[offset : offset + limit])
    versions = PolicyVersion.objects.of(request.organisation).filter(pk__in=[p.newest for p in rows])
    newest = {v.pk: PolicyVersionOut.of(v) for v in versions.defer("toml")}
    items = [
        PolicySummary(id=p.pk, name=p.name, archived=p.archived_at is not None, newest=newest.get(p.newest))
        for p in rows
    ]
    return PolicyPage(items=items, count=found.count())


@router.post("/policies", response={201: PolicyVersionOut})
def create_policy(request: HttpRequest, said: NewPolicyText) -> Any:
    """A policy of your own; its title is its name."""
    request = require(request, "write_policy")
    made = policies.create_policy(request.organisation, said.toml, request.user)
    return Status(201, PolicyVersionOut.of(made))


@router.post("/policies/adopt", response={201: PolicyVersionOut})
def adopt_pack(request: HttpRequest, said: PackChoice) -> Any:
    """Copy a built-in pack in; doing it again gives the same version."""
    request = require(request, "write_policy")
    made = policies.adopt_pack(request.organisation, said.pack, request.user)
    return Status(201, PolicyVersionOut.of(made))


@router.get("/policies/{uuid:policy_id}", response=PolicyOut)
def get_policy(request: HttpRequest, policy_id: UUID) -> PolicyOut:
    """A policy, its versions, and the newest version's rules."""
    request = require(request, "read")
    policy = _policy(request, policy_id)
    versions = list(policy.versions.defer("toml").order_by("-number"))
    return PolicyOut(
        id=policy.pk,
        name=policy.name,
        archived=policy.archived_at is not None,
        versions=[PolicyVersionOut.of(v) for v in versions],
        rules=versions[0].content["rules"] if versions else [],
    )


@router.post("/policies/{uuid:policy_id}/versions", response={201: PolicyVersionOut})
def create_policy_version(request: HttpRequest, policy_id: UUID, said: NewPolicyText) -> Any:
    """Another text; the newest one again adds nothing."""
    request = require(request, "write_policy")
    made = policies.new_policy_version(_policy(request, policy_id), said.toml, request.user)
    return Status(201, PolicyVersionOut.of(made))


@router.get(
    "/policies/{uuid:policy_id}/versions/{int:number}.toml", response=str, summary="The text of a version"
)
def get_policy_text(request: HttpRequest, policy_id: UUID, number: int) -> HttpResponse:
    """The very bytes that its digest is of."""
    request = require(request, "read")
    found = get_object_or_404(_policy(request, policy_id).versions, number=_small(number))
    return HttpResponse(found.toml.encode(), content_type="application/toml; charset=utf-8")


@router.post("/policies/{uuid:policy_id}/archive", response={204: None}, summary="Offer a policy no longer")
def archive_policy(request: HttpRequest, policy_id: UUID) -> Any:
    """Audits and reports keep their version of it."""
    request = require(request, "write_policy")
    policies.archive_policy(_policy(request, policy_id), request.user)
    return Status(204, None)


@router.post("/policies/{uuid:policy_id}/restore", response={204: None}, summary="Offer it again")
def restore_policy(request: HttpRequest, policy_id: UUID) -> Any:
    request = require(request, "write_policy")
    policies.restore_policy(_policy(request, policy_id), request.user)
    return Status(204, None)


@router.get("/policies/packs", response=list[PackOut], summary="Built-in packs")
def list_built_in(request: HttpRequest) -> list[PackOut]:
    """With their rules; adopting one copies it in."""
    require(request, "read")
    return [
        PackOut(id=c.id, title=c.title, version=c.version, purpose=c.purpose, rules=list(c.rules))
        for c in list_packs()
    ]


def _small(number: int) -> int:
    """A number that the database can hold. Raises Http404."""
    if number > 2**31 - 1:
        raise Http404
    return number


def _policy(request: ApiRequest, pk: UUID) -> Policy:
    found: Policy = get_object_or_404(Policy.objects.of(request.organisation), pk=pk)
    return found
