"""What people decide for themselves: name, colours, tokens."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import ApiToken, User
from accounts.tokens import make_token
from assay.errors import BadInput
from tests.conftest import People

AsUser = Callable[[User], Client]


def test_everybody_has_a_page_of_their_own(people: People, as_user: AsUser) -> None:
    url = f"/o/{people.organisation.slug}/you/"
    for member in (people.owner, people.engineer, people.reviewer, people.auditor, people.operator):
        assert as_user(member).get(url).status_code == 200
    assert as_user(people.outsider).get(url).status_code == 404
    assert as_user(people.engineer).get("/you/").headers["Location"] == url


def test_the_name_is_what_reports_print(people: People, as_user: AsUser) -> None:
    me = as_user(people.engineer)
    url = f"/o/{people.organisation.slug}/you/"
    assert me.post(url, {"name": ""}).status_code == 422
    me.post(url, {"name": "Ada Engineer"})
    people.engineer.refresh_from_db()
    assert str(people.engineer) == "Ada Engineer"


def test_colours_come_with_the_page(people: People, as_user: AsUser) -> None:
    me = as_user(people.engineer)
    url = f"/o/{people.organisation.slug}/you/"
    assert "data-theme" not in me.get(url).content.decode()
    me.post(f"{url}colours/", {"theme": "dark"})
    assert '<html lang="en" data-theme="dark">' in me.get(url).content.decode()
    me.cookies["theme"] = '"><script>'
    assert "data-theme" not in me.get(url).content.decode()
    me.cookies["theme"] = "dark"
    me.post(f"{url}colours/", {"theme": "system"})
    assert "data-theme" not in me.get(url).content.decode()


def test_a_token_is_shown_once_works_and_can_be_revoked(people: People, as_user: AsUser) -> None:
    me = as_user(people.engineer)
    url = f"/o/{people.organisation.slug}/you/tokens/"
    assert me.post(url, {"name": "ci", "days": 30}).status_code == 422, "it needs a scope"
    answer = me.post(url, {"name": "ci", "scopes": ["read"], "days": 30}, follow=True).content.decode()
    secret = re.search(r"assay_[\w-]{43}", answer)
    assert secret
    assert secret[0] not in me.get(url).content.decode()
    headers = {"Authorization": f"Bearer {secret[0]}"}
    told = Client().get("/api/v1/me", headers=headers).json()
    assert told["email"] == people.engineer.email
    assert told["role"] == "engineer"
    assert told["scopes"] == ["read"]
    assert told["organisation"]["slug"] == people.organisation.slug
    token = ApiToken.objects.of(people.organisation).get(user=people.engineer)
    assert token.token_digest not in answer
    revoke = f"{url}{token.pk}/revoke/"
    assert as_user(people.owner).post(revoke).status_code == 404, "a token is its owner's"
    me.post(revoke)
    me.post(revoke)
    assert Client().get("/api/v1/me", headers=headers).status_code == 401


@pytest.mark.parametrize(("scopes", "days"), [([], 5), (["root"], 5), (["read"], 0), (["read"], 400)])
def test_tokens_have_scopes_and_end(people: People, scopes: list[str], days: int) -> None:
    with pytest.raises(BadInput):
        make_token(people.engineer, people.organisation, "x", scopes, days)


def test_the_api_lists_members_of_the_tokens_organisation(people: People) -> None:
    _, secret = make_token(people.auditor, people.organisation, "x", ["read"], 5)
    headers = {"Authorization": f"Bearer {secret}"}
    told = Client().get("/api/v1/members?limit=2&offset=1", headers=headers).json()
    assert told["count"] == 5
    assert len(told["items"]) == 2
    assert people.outsider.email not in str(Client().get("/api/v1/members", headers=headers).json())
    assert Client().get("/api/v1/members?limit=1000", headers=headers).status_code == 422
    assert Client().get("/api/v1/members").status_code == 401
