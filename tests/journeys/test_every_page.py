"""Every page of a lived-in organisation: axe-core finds nothing in light and dark, no table is cut off on a
laptop, nothing is wider than a phone, every link leads somewhere, and the browser has nothing to complain
about (scripts, styles and images that CSP blocks included)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from accounts.models import Membership
from compliance.frameworks import frameworks
from tests.browser import axe_violations
from tests.journeys.conftest import Desk
from tests.sample import Sample, build
from tests.test_outsider import PAGES, PERSONAL


def _addresses(sample: Sample) -> Iterator[tuple[str, str]]:
    """(role, address) of every page that answers a GET with HTML, by ids that fit it."""
    clients = {}
    for role in ("owner", "reviewer", "operator"):
        client = Client()
        user = getattr(sample.people, role)
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        clients[role] = client
    targets = _targets(sample)
    for route in PAGES:
        for place in _places(route, sample.names(), targets):
            role = next((r for r, client in clients.items() if _is_page(client.get(place))), None)
            if role is not None:
                yield role, place
                break


def _targets(sample: Sample) -> dict[str, list[Any]]:
    """Rows by the first part of their pages' addresses; several where pages want several states."""
    rows = sample.rows
    model, data = rows["model_version"], rows["dataset_version"]
    return {
        "systems": [rows["system"].pk],
        "models": [model.model_id],
        "model-versions": [model.pk],
        "datasets": [data.dataset_id],
        "dataset-versions": [data.pk],
        "audits": [sample.run.pk, rows["running"].pk, rows["draft"].pk, rows["learnt"].pk],
        "policies": [rows["policy"].pk],
        "findings": [rows["finding"].pk],
        "remedies": [rows["remedy"].pk],
        "reviews": [rows["approved"].pk, rows["waiting"].pk],
        "controls": [rows["system"].pk],
        "reports": [rows["report"].pk],
        "jobs": [rows["running"].job_id, rows["cancelled"].job_id],
        "schedules": [rows["schedule"].pk],
        "members": list(Membership.objects.of(sample.people.organisation).values_list("pk", flat=True)[:1]),
    }


def _places(route: str, names: dict[str, str], targets: dict[str, list[Any]]) -> Iterator[str]:
    place = "/" + route.replace("<slug:org>", names["org"])
    for part, value in {
        "packs/<slug:name>": "packs/general",
        "<slug:name>": "fairness",
        "<int:number>": "1",
        "<uuid:before>": names["biased"],
        "<uuid:after>": names["mended"],
    }.items():
        place = place.replace(part, value)
    kind = route.split("/")[2] if route.count("/") > 2 else ""
    for choice in targets.get(kind, []) if "<uuid:" in place else [""]:
        yield re.sub(r"<uuid:[^>]+>", str(choice), place)


def _is_page(answer: Any) -> bool:
    """Whether this is a whole page: not a file, and no piece of one that a page asks for again."""
    html = answer.status_code == 200 and answer["Content-Type"].startswith("text/html")
    return html and b"</html>" in answer.content and "Content-Disposition" not in answer


def _states(sample: Sample) -> Iterator[tuple[str, str]]:
    """Pages that look different by the state of what they show, which a walk over routes does not reach."""
    names = sample.names()
    here = f"/o/{names['org']}/"
    for name in ("draft", "refused", "cancelled", "running", "biased", "run", "learnt"):
        yield "engineer", f"{here}audits/{names[name]}/"
    for name in ("waiting", "taken", "approved"):
        yield "reviewer", f"{here}reviews/{names[name]}/"
    for name in ("remedy", "working"):
        yield "engineer", f"{here}remedies/{names[name]}/"
    for name in ("read", "stopped", "endpoint"):
        yield "engineer", f"{here}model-versions/{names[name]}/"
    yield "engineer", f"{here}model-versions/{names['read']}/signature/"
    applicants = f"{here}dataset-versions/{names['applicants']}/"
    for page in ("", "columns/", f"diff/{names['applicants_later']}/"):
        yield "engineer", f"{applicants}{page}"
    for chapter in ("performance", "explainability", "measures", "limits", "manifest"):
        yield "auditor", f"{here}audits/{names['run']}/results/{chapter}/"
    for role in ("engineer", "auditor", "reviewer", "operator"):
        yield role, here
    yield "reviewer", f"{here}trail/"
    framework = frameworks()[0]
    asked = urlencode({"framework": framework.slug, "control": framework.controls[0].id})
    yield "owner", f"{here}controls/{names['system']}/attest/?{asked}"
    yield "nobody", "/accounts/login/"
    yield "nobody", "/verify/"
    yield "nobody", f"/verify/{names['code']}/"
    yield "nobody", "/no-such-page"
    yield from (("owner", f"/{route}") for route in PERSONAL if route)


_CUT = """Array.from(document.querySelectorAll(".wide"))
    .filter(each => getComputedStyle(each).overflowX !== "visible")
    .map(each => each.scrollWidth - each.clientWidth).filter(cut => cut > 1)"""
"""How far tables reach beyond what is seen of them without scrolling sideways."""


def _in_the_dark(page: Any, axe: str) -> list[str]:
    """Contrasts of a page that is open in light; looked at again where it was still half in light."""
    page.emulate_media(color_scheme="dark")
    found: list[str] = []
    for _look in range(3):
        page.evaluate("new Promise(next => requestAnimationFrame(() => requestAnimationFrame(next)))")
        found = axe_violations(page, axe, "color-contrast")
        if not found:
            break
    return found


_LINKS = """Array.from(document.querySelectorAll("a[href^='/']")).map(each => each.getAttribute("href"))"""


def _that_lead_nowhere(sample: Sample, links: dict[tuple[str, str], str]) -> list[str]:
    """Links that their reader may not follow, or that lead to nothing; one of each kind is followed."""
    wrong, clients = [], {}
    for (role, _kind), link in links.items():
        if role not in clients:
            clients[role] = Client()
            if (user := getattr(sample.people, role, None)) is not None:
                clients[role].force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        if (status := clients[role].get(link.partition("#")[0]).status_code) not in (200, 302):
            wrong.append(f"{role} {link}: {status}")
    return wrong


def test_every_page_is_accessible_fits_a_phone_and_runs_clean(desk: Desk, axe: str) -> None:
    sample = build()
    found = {place: role for role, place in _addresses(sample)}
    found |= {place: role for role, place in _states(sample)}
    assert len(found) > 80, len(found)
    wrong: list[str] = []
    pages: dict[str, Any] = {}
    links: dict[tuple[str, str], str] = {}
    for place, role in found.items():
        if role not in pages:
            pages[role] = desk.page(getattr(sample.people, role, None))
        page = pages[role]
        page.set_viewport_size({"width": 1280, "height": 900})
        page.emulate_media(color_scheme="light")
        page.goto(place)
        wrong += [f"{role} {place}: {v}" for v in axe_violations(page, axe)]
        wrong += [f"{role} {place} (dark): {v}" for v in _in_the_dark(page, axe)]
        wrong += [
            f"{role} {place}: {cut} px of a table are out of view at 1280" for cut in page.evaluate(_CUT)
        ]
        for link in page.evaluate(_LINKS):
            links.setdefault((role, re.sub(r"[0-9a-f-]{36}|\d+", "…", link)), link)
        page.set_viewport_size({"width": 360, "height": 844})
        if (wide := page.evaluate("document.documentElement.scrollWidth - window.innerWidth")) > 0:
            wrong.append(f"{role} {place}: {wide} px wider than a phone")
        wrong += [f"{role} {place} (360 px): {v}" for v in axe_violations(page, axe, "target-size")]
    wrong += _that_lead_nowhere(sample, links)
    assert not wrong + desk.complaints, "\n".join(wrong + desk.complaints)
