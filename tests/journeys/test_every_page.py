"""Every page of a lived-in organisation: axe-core finds nothing in light and dark, nothing is wider than a
phone, and the browser has nothing to complain about (scripts, styles and images that CSP blocks included)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.test import Client

from tests.browser import axe_violations
from tests.journeys.conftest import Desk
from tests.sample import Sample, build
from tests.test_outsider import PAGES, PERSONAL

_FILES = re.compile(r"\.(pdf|html|json|csv|toml|pem)$")


def _addresses(sample: Sample) -> Iterator[tuple[str, str]]:
    """(role, address) of every page that answers a GET with HTML, by ids that fit it."""
    people, names = sample.people, sample.names()
    clients = {}
    for role in ("owner", "reviewer", "operator"):
        client = Client()
        user = getattr(people, role)
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        clients[role] = client
    ids = [value for name, value in names.items() if len(value) == 36 and name not in people._fields]
    for route in PAGES:
        for role, place in _tries(route, names, ids, clients):
            answer = clients[role].get(place)
            if answer.status_code == 200 and answer["Content-Type"].startswith("text/html"):
                yield role, place
                break


def _tries(
    route: str, names: dict[str, str], ids: list[str], clients: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    slug = "/" + route.replace("<slug:org>", names["org"])
    slug = (
        slug.replace("<int:number>", "1")
        .replace("<slug:name>", "fairness")
        .replace("<uuid:run>", "<uuid:pk>")
    )
    slug = slug.replace("<uuid:before>", names["biased"]).replace("<uuid:after>", names["mended"])
    for choice in ids if "<uuid:" in slug else [""]:
        place = re.sub(r"<uuid:[^>]+>", choice, slug)
        for role in clients:
            yield role, place


def test_every_page_is_accessible_fits_a_phone_and_runs_clean(desk: Desk, axe: str) -> None:
    sample = build()
    found = [(role, place) for role, place in _addresses(sample) if not _FILES.search(place)]
    found += [("owner", f"/{route}") for route in PERSONAL if route]
    found += [("nobody", "/accounts/login/"), ("nobody", "/verify/"), ("nobody", "/no-such-page")]
    found += [("nobody", f"/verify/{sample.names()['code']}/")]
    found += [(role, f"/o/{sample.people.organisation.slug}/") for role in ("engineer", "auditor")]
    assert len(found) > 60, len(found)
    wrong: list[str] = []
    pages: dict[tuple[str, str], Any] = {}
    for role, place in found:
        for look in ("light", "dark", "phone"):
            if (role, look) not in pages:
                user = getattr(sample.people, role, None)
                pages[role, look] = desk.page(
                    user, width=390 if look == "phone" else 1280, dark=look == "dark"
                )
            page = pages[role, look]
            page.goto(place)
            if look == "phone":
                wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
                if wide > 0:
                    wrong.append(f"{role} {place}: {wide} px wider than a phone")
            else:
                wrong += [f"{role} {place} ({look}): {v}" for v in axe_violations(page, axe)]
    assert not wrong + desk.complaints, "\n".join(wrong + desk.complaints)
