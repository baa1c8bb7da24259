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

from accounts.api_auth import new_token
from tests.conftest import People

PUBLIC = {
    "verify/": "anybody may check a report",
    "verify/<str:code>/": "anybody may check a report",
    "health/live": "for load balancers; says nothing but that the process answers",
    "health/ready": "for load balancers; says no secrets",
    "metrics": "from this machine, or with a token",
    "api/v1/openapi.json": "the description of the API",
    "invited/<str:token>/": "the way in for invited people; knows a secret",
}
"""Addresses without sign-in."""
FOREIGN = ("accounts/", "admin/")
"""Addresses of django-allauth and Django's admin, which test themselves."""


def _routes(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern).replace("^", "").replace("$", "")
        if isinstance(entry, URLResolver):
            yield from _routes(entry, route)
        else:
            yield route, entry


ROUTES = [
    (route, pattern) for route, pattern in _routes(get_resolver()) if not route.startswith(FOREIGN)
]
_SAMPLES: dict[str, Callable[[], str]] = {
    "uuid": lambda: str(uuid.uuid4()),
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
API = [route for route, _ in ROUTES if route.startswith("api/")]


def test_every_address_is_a_page_of_an_organisation_an_api_operation_or_public_by_name() -> None:
    others = {route for route, _ in ROUTES} - set(PAGES) - set(API) - set(PUBLIC)
    assert others <= {"", "you/", "theme/"}, f"say who may open these: {sorted(others)}"


@pytest.mark.parametrize("route", PAGES)
def test_an_outsider_sees_nothing_of_an_organisation(
    route: str, people: People, as_user: Callable[..., Client]
) -> None:
    place = _address(route, org=people.organisation.slug)
    client = as_user(people.outsider)
    for answer in (client.get(place), client.post(place)):
        assert answer.status_code in (404, 405), (place, answer.status_code)
    assert client.get(place.replace(people.organisation.slug, "no-such", 1)).status_code in (404, 405)


@pytest.mark.parametrize("route", PAGES)
def test_nobody_gets_in_without_signing_in(route: str, people: People) -> None:
    place = _address(route, org=people.organisation.slug)
    for answer in (Client().get(place), Client().post(place)):
        assert answer.status_code in (302, 405), (place, answer.status_code)
        assert answer.status_code == 405 or answer["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("route", [route for route in API if route not in PUBLIC and "openapi" not in route])
def test_the_api_tells_strangers_and_outsiders_nothing(route: str, people: People) -> None:
    _token, secret = new_token(people.outsider, people.elsewhere, "outsider", ["read", "write", "review"])
    place = _address(route)
    body: dict[str, Any] = {"content_type": "application/json", "data": "{}"}
    for verb in ("get", "post", "patch", "put", "delete"):
        stranger = getattr(Client(), verb)(place, **(body if verb != "get" else {}))
        assert stranger.status_code in (401, 405), (verb, place, stranger.status_code)
        foreign = getattr(Client(), verb)(
            place, headers={"Authorization": f"Bearer {secret}"}, **(body if verb != "get" else {})
        )
        named = "<" in route
        allowed = (404, 405, 422, 403, 400) if named else (200, 201, 405, 422, 400, 403)
        assert foreign.status_code in allowed, (verb, place, foreign.status_code)
