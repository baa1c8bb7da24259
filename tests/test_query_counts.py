"""No page and no API answer asks the database more often because there are more rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern

from accounts.api_auth import new_token
from tests import factory
from tests.conftest import People, make_people
from tests.everything import Everything, everything
from tests.multiplied import multiply
from tests.sample import policy_version
from tests.test_outsider import API, PAGES, PERSONAL, ROUTES

FEW, MANY = 3, 30
GROWS: dict[str, str] = {}
"""Route -> why it may ask more often when there are more rows."""
_ONE_ROW = "asks about one row before it is changed, and only in states that none is in here"
_NO_FILE = "hands out a stored file that is not made here"
UNASKED: dict[str, str] = {
    "": "redirects to the organisation",
    "you/": "redirects to the person's page",
    "organisations/new/": "for those who run the installation",
    "o/<slug:org>/policies/packs/<slug:name>/": "shows a file of the engine; no rows",
    "o/<slug:org>/uploads/<uuid:pk>/": "answers chunks of an upload alone",
    "api/v1/dataset-versions/<version_id>/diff/<other_id>": "compares what was read, which is nothing here",
    "api/v1/uploads/<upload_id>": "answers chunks of an upload alone",
    "api/v1/audits/<uuidstr:run_id>/estimate": "answers for a draft, and none is here",
    "api/v1/reports/<uuidstr:report_id>/report.html": _NO_FILE,
    "api/v1/reports/<uuidstr:report_id>/report.pdf": _NO_FILE,
    "o/<slug:org>/reports/<uuid:pk>/report.html": _NO_FILE,
    "o/<slug:org>/reports/<uuid:pk>/report.pdf": _NO_FILE,
    "o/<slug:org>/attestations/<uuid:pk>/withdraw/": _ONE_ROW,
    "o/<slug:org>/audits/<uuid:run>/reports/": "leads on to the newest edition",
    "o/<slug:org>/audits/<uuid:pk>/cancel/": _ONE_ROW,
    "o/<slug:org>/audits/<uuid:pk>/delete/": _ONE_ROW,
    "o/<slug:org>/audits/<uuid:run>/submit/": _ONE_ROW,
    "o/<slug:org>/controls/<uuid:system>/attest/": _ONE_ROW,
    "o/<slug:org>/model-versions/<uuid:pk>/delete-bytes/": "asks of a refused version alone",
    "o/<slug:org>/reviews/<uuid:pk>/decision/": _ONE_ROW,
    "o/<slug:org>/reviews/<uuid:pk>/give-back/": _ONE_ROW,
    "o/<slug:org>/reviews/<uuid:pk>/revoke/": _ONE_ROW,
    "o/<slug:org>/reviews/<uuid:pk>/take/": _ONE_ROW,
    "o/<slug:org>/reviews/<uuid:pk>/withdraw/": _ONE_ROW,
    "o/<slug:org>/trail/<uuid:pk>/erase/": _ONE_ROW,
}
"""Route -> why no GET of it is answered here."""
_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
Place = tuple[Any, str, dict[str, Any]]
"""Client, address, headers."""


def _lived_in(people: People) -> Everything:
    """One row of each kind, and two audits that really measured something."""
    from audits.models import FindingRun, Run
    from compliance.models import Review
    from jobs.models import Event, Firing, Job, Shard
    from reports.models import Document

    rows = everything(people)
    policy = policy_version(people)
    model = factory.predictions_version(rows["AISystem"], people.engineer)
    before = factory.measured_run(people, policy=policy, model=model)
    data = before.subject.dataset_version
    repaired = factory.predictions_version(rows["AISystem"], people.engineer)
    after = factory.measured_run(people, policy=policy, model=repaired, data=data, baseline=before)
    # what hangs on the empty run is about one that has a result
    fields = {"run": after, "snapshot_digest": after.snapshot_digest}
    for kind in (Review, Document):
        kind.unscoped.filter(pk=rows[kind.__name__].pk).update(**fields)
    content = {"detail": "x", "criterion": "x", "measures": [], "rule": ""}
    FindingRun.objects.filter(finding=rows["Finding"]).update(run=after, content=content)
    type(rows["RemedyRun"]).unscoped.filter(pk=rows["RemedyRun"].pk).update(baseline=before)
    rows |= {"Run": after, "Comparison": rows["Comparison"]}
    refusals = type(rows["SensitiveRefusal"]).unscoped
    refusals.filter(pk=rows["SensitiveRefusal"].pk).update(policy=policy.policy)
    request = {
        "model": str(after.subject.model_version.model_id),
        "dataset": str(data.dataset_id),
        "policy": str(policy.policy_id),
        "tier": "quick",
        "methods": None,
    }
    type(rows["Schedule"]).unscoped.filter(pk=rows["Schedule"].pk).update(request=request)
    rows["Job"] = Job.unscoped.get(pk=after.job_id)
    shard = Shard.objects.filter(job=rows["Job"]).first()
    assert shard is not None
    assert Event.objects.filter(shard=shard).exists()
    Firing.objects.create(schedule=rows["Schedule"], fire_at=rows["Schedule"].created_at)
    for name in ("Review", "Document", "RemedyRun", "SensitiveRefusal", "Schedule"):
        rows[name].refresh_from_db()
    return rows | {"before": before, "after": after, "Run": Run.unscoped.get(pk=after.pk)}


def _filled(route: str, pattern: URLPattern, rows: Everything, slug: str) -> Iterator[str]:
    """The route with ids: rows of the app's own kinds first, since only the view knows what it looks for."""
    app = str(pattern.callback.__module__).partition(".")[0]
    known = {name: row for name, row in rows.items() if name[0].isupper()}
    order = sorted(known.values(), key=lambda row: row._meta.app_label != app)
    fixed = {"org": slug, "name": "fairness", "number": "1", "figure": "F1", "before": rows["before"].pk}
    fixed |= {"after": rows["after"].pk, "before_id": rows["before"].pk, "after_id": rows["after"].pk}
    names = [name.rpartition(":")[2] for name in re.findall(r"<([^>]+)>", route)]
    if "run" in names:
        fixed["run"] = rows["after"].pk
    open_ended = [name for name in names if name not in fixed]
    for row in order if open_ended else order[:1]:
        values = fixed | dict.fromkeys(open_ended, row.pk)
        yield "/" + re.sub(r"<([^>]+)>", lambda m, v=values: str(v[m[1].rpartition(":")[2]]), route)


def _places(people: People, rows: Everything) -> dict[str, Place]:
    """Route -> who asks for which address of it and gets an answer."""
    clients = {}
    for role in ("owner", "reviewer", "operator"):
        clients[role] = Client()
        clients[role].force_login(getattr(people, role), backend=_BACKEND)
    _token, secret = new_token(people.owner, people.organisation, "x", ["read", "rows", "manage"])
    headers = {"headers": {"Authorization": f"Bearer {secret}"}}
    found: dict[str, Place] = {}
    for route, pattern in ROUTES:
        if route not in {*PAGES, *PERSONAL, *API}:
            continue
        for place in _filled(route, pattern, rows, people.organisation.slug):
            for client in (clients["owner"],) if route in API else clients.values():
                more = headers if route in API else {}
                status = client.get(place, **more).status_code
                if status == 200:
                    found[route] = (client, place, more)
                if status != 403:
                    break
            if route in found or status == 405:
                break
        if route not in found and status == 405:
            found[route] = (None, place, {})
    return found


def _asked(places: dict[str, Place]) -> dict[str, list[str]]:
    """Route -> statements of one answer."""
    found = {}
    for route, (client, place, more) in places.items():
        if client is None:
            continue
        client.get(place, **more)  # what is kept from the first answer on is not counted
        with CaptureQueriesContext(connection) as queries:
            status = client.get(place, **more).status_code
        assert status == 200, place
        found[route] = [query["sql"] for query in queries.captured_queries]
    return found


def test_no_page_asks_the_database_more_often_when_there_are_more_rows(committed: None) -> None:
    people = make_people()
    rows = _lived_in(people)
    made = multiply(rows, FEW)
    places = _places(people, rows)
    few = _asked(places)
    multiply(rows, MANY)
    many = _asked(places)
    grown = {
        route: f"{len(few[route])} -> {len(many[route])}: {_repeated(many[route])}"
        for route in few
        if len(many[route]) > len(few[route]) and route not in GROWS
    }
    assert grown == {}, "\n".join(f"{route}: {how}" for route, how in grown.items())
    assert set(GROWS) <= set(few), "remove what no longer applies"
    unasked = {*PAGES, *PERSONAL, *API} - set(places)
    assert unasked == set(UNASKED), f"say why no GET of these is answered here: {sorted(unasked)}"
    assert len(few) > 80
    assert len(made) > 25, sorted(made)


def _repeated(statements: list[str]) -> str:
    """The statement that was asked most often, values left out."""
    bare = [re.sub(r"'[^']*'|\b\d+\b", "?", sql) for sql in statements]
    return max(bare, key=bare.count)[:300]
