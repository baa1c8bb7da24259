"""The API of members, invitations, tokens and the organisation: what a token may, and what it never may."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from accounts.api_auth import new_token
from accounts.invitations import invite, open_invitations
from accounts.models import Membership, User
from accounts.tokens import make_token
from tests.conftest import People
from trail.models import TrailEntry
from trail.services import record, verify


class Program:
    """Calls with a token of `user`."""

    def __init__(self, people: People, user: User, *scopes: str) -> None:
        organisation = people.elsewhere if user == people.outsider else people.organisation
        self.made, secret = new_token(user, organisation, "test", list(scopes))
        self._headers = {"Authorization": f"Bearer {secret}"}

    def __call__(self, verb: str, path: str, body: Any = None) -> Any:
        return Client().generic(
            verb,
            f"/api/v1{path}",
            json.dumps(body) if body is not None else b"",
            content_type="application/json",
            headers=self._headers,
        )


def test_roles_are_changed_and_memberships_ended_with_their_own_scope(people: People) -> None:
    path = f"/members/{people.engineer.pk}"
    role = {"role": "reviewer"}
    for without in (
        Program(people, people.owner, "read", "write", "review", "rows"),
        Program(people, people.engineer, "manage"),
    ):
        assert without("PUT", f"{path}/role", role).status_code == 403
        assert without("DELETE", path).status_code == 403
    owner = Program(people, people.owner, "manage")
    assert owner("PUT", f"{path}/role", role).status_code == 204
    assert Membership.objects.of(people.organisation).get(user=people.engineer).role == "reviewer"
    assert owner("PUT", f"{path}/role", {"role": "king"}).status_code == 422
    last = owner("PUT", f"/members/{people.owner.pk}/role", role)
    assert (last.status_code, "last owner" in last.json()["detail"]) == (400, True)
    assert owner("DELETE", f"/members/{people.owner.pk}").status_code == 400
    assert owner("DELETE", f"/members/{people.outsider.pk}").status_code == 404
    theirs = Program(people, people.engineer, "read")
    assert theirs("GET", "/me").status_code == 200
    assert owner("DELETE", path).status_code == 204
    assert theirs("GET", "/me").status_code == 401
    assert owner("DELETE", path).status_code == 404


def test_invitations_are_listed_and_withdrawn_but_never_made(people: People) -> None:
    made, secret = invite(people.organisation, "grace@example.org", "auditor", by=people.owner)
    owner = Program(people, people.owner, "manage")
    listed = owner("GET", "/invitations")
    assert [each["email"] for each in listed.json()["items"]] == ["grace@example.org"]
    assert secret not in listed.content.decode()
    assert owner("POST", "/invitations", {"email": "x@example.org", "role": "owner"}).status_code == 405
    assert Program(people, people.owner, "read", "write")("GET", "/invitations").status_code == 403
    foreign = Program(people, people.outsider, "manage")
    assert foreign("POST", f"/invitations/{made.pk}/withdraw").status_code == 404
    assert owner("POST", f"/invitations/{made.pk}/withdraw").status_code == 204
    assert not open_invitations(people.organisation).exists()


def test_a_token_revokes_itself_and_its_owners_others_and_makes_none(people: People) -> None:
    other, secret = make_token(people.engineer, people.organisation, "old", ["read"], 5)
    theirs, _ = make_token(people.owner, people.organisation, "owner's", ["read"], 5)
    program = Program(people, people.engineer, "read")
    listed = program("GET", "/tokens").json()
    assert {each["name"] for each in listed["items"]} == {"old", "test"}
    assert secret not in json.dumps(listed)
    assert program("POST", "/tokens", {"name": "x", "scopes": ["read"]}).status_code == 405
    assert program("POST", f"/tokens/{theirs.pk}/revoke").status_code == 404
    assert program("POST", f"/tokens/{other.pk}/revoke").status_code == 204
    assert program("POST", f"/tokens/{program.made.pk}/revoke").status_code == 204
    assert program("GET", "/tokens").status_code == 401


def test_the_organisation_is_renamed_and_moved(people: People) -> None:
    owner = Program(people, people.owner, "read", "manage")
    moved = owner("PATCH", "/organisation", {"timezone": "Europe/Berlin"})
    assert (moved.json()["timezone"], moved.json()["name"]) == ("Europe/Berlin", people.organisation.name)
    assert owner("PATCH", "/organisation", {"name": "North"}).json()["name"] == "North"
    assert owner("GET", "/organisation").json()["slug"] == people.organisation.slug
    for wrong in ({"timezone": "Mars"}, {"name": "\u202e"}, {"name": "a\nb"}):
        assert owner("PATCH", "/organisation", wrong).status_code == 400, wrong
    engineer = Program(people, people.engineer, "read", "write", "manage")
    assert engineer("PATCH", "/organisation", {"name": "x"}).status_code == 403


def test_words_of_the_trail_are_erased_and_the_chain_holds(people: People) -> None:
    target = people.engineer.pk
    record(people.organisation.pk, "member.noted", "user", target, payload={"name": "Ada"})
    entry = TrailEntry.objects.get(action="member.noted", target_id=target)
    owner = Program(people, people.owner, "read", "manage")
    found = owner("GET", f"/trail?target={target}").json()
    assert "Ada" in json.dumps(found)
    assert owner("GET", f"/trail?actor={people.outsider.pk}").json()["items"] == []
    path = f"/trail/{entry.pk}/erase"
    assert Program(people, people.owner, "read", "write")("POST", path).status_code == 403
    assert Program(people, people.outsider, "manage")("POST", path).status_code == 404
    for _twice in range(2):
        assert owner("POST", path).status_code == 204
    assert "Ada" not in json.dumps(owner("GET", f"/trail?target={target}").json())
    assert owner("GET", "/trail?action=trail.erased").json()["count"] == 1
    assert verify(people.organisation.pk) is None


@pytest.mark.parametrize("scope", ["read", "write", "review", "rows", "manage"])
def test_each_scope_can_be_chosen_on_the_page(people: People, as_user: Any, scope: str) -> None:
    page = as_user(people.owner).get(f"/o/{people.organisation.slug}/you/tokens/").content.decode()
    assert f'value="{scope}"' in page
