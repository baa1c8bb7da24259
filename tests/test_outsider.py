"""Every address of the service, tried by an outsider and by nobody: generated from the URL map.

A route that is added without a place here fails: pages of an organisation answer 404 to outsiders and send
those who are not signed in to the sign-in; API operations answer 401 without a token, and 404 to a token of
another organisation; what is public is listed by name, with the reason.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.api_auth import SCOPES, new_token
from tests.conftest import People
from tests.everything import everything, under_one_id

PUBLIC = {
    "verify/": "anybody may check a report",
    "verify/<str:code>/": "anybody may check a report",
    "health/live": "for load balancers; says nothing but that the process answers",
    "health/ready": "for load balancers; says no secrets",
    "metrics": "from this machine, or with a token",
    "api/v1/openapi.json": "the description of the API",
    "invited/<str:secret>/": "the way in for invited people; knows a secret",
    "verify/authority.pem": "the root certificate that others check reports with; holds no secret",
    "kept/": "shows a form again that was sent with an expired sign-in, to whoever sent it",
}
"""Addresses without sign-in."""
PERSONAL = ("", "you/", "organisations/", "organisations/new/")
"""Addresses of whoever is signed in, of no organisation."""
FOREIGN = ("accounts/", "admin/")
"""Addresses of django-allauth and Django's admin, which test themselves."""


def _routes(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern).replace("^", "").replace("$", "")
        if isinstance(entry, URLResolver):
            yield from _routes(entry, route)
        else:
            yield route, entry


ROUTES = [(route, pattern) for route, pattern in _routes(get_resolver()) if not route.startswith(FOREIGN)]
_SAMPLES: dict[str, Callable[[], str]] = {
    "uuid": lambda: str(uuid.uuid4()),
    "uuidstr": lambda: str(uuid.uuid4()),
    "int": lambda: "1",
    "slug": lambda: "x",
    "str": lambda: "x",
    "path": lambda: "x",
}


def _address(route: str, **known: str) -> str:
    def fill(match: re.Match[str]) -> str:
        kind, _, name = match.group(1).rpartition(":")
        return known.get(name) or _SAMPLES[kind or "str"]()

    return "/" + re.sub(r"<([^>]+)>", fill, route)


PAGES = [route for route, _ in ROUTES if route.startswith("o/")]
API = [route for route, _ in ROUTES if route.startswith("api/v1/") and route not in ("api/v1/", *PUBLIC)]
AsUser = Callable[..., Client]


def test_every_address_is_a_page_of_an_organisation_an_api_operation_or_public_by_name() -> None:
    others = {route for route, _ in ROUTES} - set(PAGES) - set(API) - set(PUBLIC) - {"api/v1/"}
    assert others == set(PERSONAL), f"say who may open these: {sorted(others ^ set(PERSONAL))}"


@pytest.mark.django_db
@pytest.mark.parametrize("route", PERSONAL)
def test_personal_pages_send_nobody_to_the_sign_in(route: str) -> None:
    for answer in (Client().get(f"/{route}"), Client().post(f"/{route}")):
        assert answer.status_code in (302, 405)
        assert answer.status_code == 405 or answer["Location"].startswith("/accounts/login/")


def _place(route: str, people: People, one: uuid.UUID) -> str:
    """The route with the id that a row of every kind in the organisation has."""
    ids = [name.partition(":")[2] for name in re.findall(r"<([^>]+)>", route) if name.startswith("uuid")]
    return _address(route, **dict.fromkeys(ids, str(one)), org=people.organisation.slug)


@pytest.mark.django_db
def test_the_one_id_leads_its_owner_to_rows_of_every_kind(people: People, as_user: AsUser) -> None:
    """So that what outsiders are refused below is there. (Some rows are too bare to make a page of.)"""
    one, client = under_one_id(everything(people)), as_user(people.owner)
    client.raise_request_exception = False
    asked = [route for route in PAGES if "<uuid:" in route]
    reached = {r.split("/")[2] for r in asked if client.get(_place(r, people, one)).status_code != 404}
    # The trail's rows cannot be changed, so they keep their ids; tests/accounts/test_trail_pages.py has them.
    assert {route.split("/")[2] for route in asked} - reached == {"trail"}


@pytest.mark.django_db
def test_an_outsider_sees_nothing_of_an_organisation(people: People, as_user: AsUser) -> None:
    one, client = under_one_id(everything(people)), as_user(people.outsider)
    assert PAGES
    for route in PAGES:
        place = _place(route, people, one)
        for answer in (client.get(place), client.post(place)):
            assert answer.status_code in (404, 405), (place, answer.status_code)
        # Below the outsider's own organisation, the ids of another one lead nowhere.
        if "<uuid:" in route:
            own = client.get(place.replace(people.organisation.slug, people.elsewhere.slug, 1))
            assert own.status_code in (403, 404, 405), (place, own.status_code)


@pytest.mark.django_db
def test_nobody_gets_in_without_signing_in(people: People) -> None:
    for route in PAGES:
        place = _address(route, org=people.organisation.slug)
        for answer in (Client().get(place), Client().post(place)):
            assert answer.status_code in (302, 405), (place, answer.status_code)
            assert answer.status_code == 405 or answer["Location"].startswith("/accounts/login/")


@pytest.mark.django_db
def test_the_api_tells_strangers_and_outsiders_nothing(people: People) -> None:
    rows = everything(people)
    one = under_one_id(rows)
    _token, secret = new_token(people.outsider, people.elsewhere, "outsider", list(SCOPES))
    headers = {"Authorization": f"Bearer {secret}"}
    assert API
    for route in API:
        place = _place(route, people, one)
        for verb in ("get", "post", "patch", "put", "delete"):
            more: dict[str, Any] = {} if verb == "get" else {"data": "{}", "content_type": _JSON}
            stranger = getattr(Client(), verb)(place, **more)
            assert stranger.status_code in (401, 405), (verb, place, stranger.status_code)
            if stranger.status_code == 401:
                foreign = getattr(Client(), verb)(place, headers=headers, **more)
                wanted = (403, 404, 422) if "<uuid" in route else _OWN
                assert foreign.status_code in wanted, (verb, place, foreign.status_code, foreign.content)
                assert str(one).encode() not in foreign.content or str(one) in place, place


_JSON = "application/json"
_OWN = (200, 201, 400, 403, 404, 405, 422)
"""What lists and creations may answer: they speak of the outsider's own organisation."""
