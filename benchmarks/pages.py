"""How long pages and API lists take in a large organisation: 200 systems, 10,000 runs, 2 million measures.

One audit really runs; its rows are then multiplied inside PostgreSQL (or SQLite where that is the database).
Every page and API list of the URL map is asked for in process, as its reader, and timed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

__all__ = ["run"]

SYSTEMS, RUNS, MEASURES = 200, 10_000, 2_000_000
ASKED = 20
"""Requests a page, after two that warm up."""
_SERVER = "postgresql://postgres@127.0.0.1:5432"
_ROOT = Path(__file__).resolve().parents[1]


def run() -> dict[str, Any]:
    """Seed a database of its own, ask for everything, drop it; milliseconds at the 95th percentile."""
    import psycopg

    name = f"assay_bench_{uuid.uuid4().hex[:8]}"
    server = os.environ.get("ASSAY_BENCH_SERVER", _SERVER)
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        try:
            with tempfile.TemporaryDirectory(prefix="assay-bench-") as home:
                done = subprocess.run(
                    [sys.executable, "-W", "ignore", "-m", "benchmarks.pages"],
                    env={**os.environ, "ASSAY_HOME": home, "ASSAY_DATABASE_URL": f"{server}/{name}"},
                    cwd=_ROOT,
                    capture_output=True,
                    text=True,
                    check=False,
                )
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from tests.sample import build

    sample = build()
    counts = _multiply(sample)
    pages = sorted(_pages(sample), key=lambda line: -float(line["p95_ms"]))
    lists = sorted(_lists(sample), key=lambda line: -float(line["p95_ms"]))
    print(json.dumps({"rows": counts, "pages": pages, "lists": lists}))


def _multiply(sample: Any) -> dict[str, int]:
    """Copy systems, subjects, runs and what hangs on them until the organisation is large."""
    from django.db import connection

    from audits.models import Run, RunMeasure, RunVerdict
    from models_registry.models import AISystem, Dataset, DatasetVersion, Model, ModelVersion, Subject

    below = ("subject__model_version__model", "subject__dataset_version__dataset")
    run = Run.unscoped.select_related(*below).get(pk=sample.run.pk)
    organisation, subject = run.organisation, run.subject
    kinds = (AISystem, Model, ModelVersion, Dataset, DatasetVersion, Subject)
    made: dict[type, list[Any]] = {kind: [] for kind in kinds}

    def copy(row: Any, **changes: Any) -> Any:
        values = {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields if f.attname != "id"}
        fresh = type(row)(**{**values, **changes})
        made.setdefault(type(row), []).append(fresh)
        return fresh

    top = AISystem.unscoped.filter(organisation=organisation).count()
    subjects = []
    for number in range(SYSTEMS - top):
        system = copy(run.system, number=1_000 + number, name=f"System {number:03}")
        model = copy(subject.model_version.model, system_id=system.pk)
        version = copy(subject.model_version, model_id=model.pk)
        dataset = copy(subject.dataset_version.dataset, system_id=system.pk)
        data = copy(subject.dataset_version, dataset_id=dataset.pk)
        subjects.append(
            (system, copy(subject, model_version_id=version.pk, dataset_version_id=data.pk, job_id=None))
        )
    runs = []
    first = Run.unscoped.filter(organisation=organisation).order_by("-number").first()
    assert first is not None
    for number in range(RUNS - Run.unscoped.filter(organisation=organisation).count()):
        system, own = subjects[number % len(subjects)]
        runs.append(
            copy(
                run,
                number=first.number + 1 + number,
                system_id=system.pk,
                subject_id=own.pk,
                job_id=None,
                baseline_id=None,
            )
        )
    for kind, rows in made.items():
        kind.unscoped.bulk_create(rows, batch_size=500)  # type: ignore[attr-defined]
    each = MEASURES // RUNS
    template = RunMeasure.objects.filter(run=run).count()
    copies = max(round(each / template), 1)
    fields = "measure, pillar, slice, over, at, value, low, high, n, unit, status"
    copied = ", ".join(f"m.{field}" for field in fields.split(", "))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO audits_runmeasure (run_id, key, {fields})
            SELECT r.id, substr(m.key, 1, 60) || lpad(c.n::text, 4, '0'), {copied}
            FROM audits_run r CROSS JOIN generate_series(1, %s) AS c(n) CROSS JOIN
              (SELECT * FROM audits_runmeasure WHERE run_id = %s ORDER BY id) AS m
            WHERE r.organisation_id = %s AND r.id <> %s""",
            [copies, run.pk, organisation.pk, run.pk],
        )
        cursor.execute(
            """INSERT INTO audits_runverdict (run_id, place, rule, pillar, outcome, content)
            SELECT r.id, v.place, v.rule, v.pillar, v.outcome, v.content FROM audits_run r
            CROSS JOIN (SELECT * FROM audits_runverdict WHERE run_id = %s) AS v
            WHERE r.organisation_id = %s AND r.id <> %s AND NOT EXISTS
              (SELECT 1 FROM audits_runverdict o WHERE o.run_id = r.id)""",
            [run.pk, organisation.pk, run.pk],
        )
        cursor.execute("ANALYZE")
    return {
        "systems": AISystem.unscoped.filter(organisation=organisation).count(),
        "runs": Run.unscoped.filter(organisation=organisation).count(),
        "measures": RunMeasure.objects.count(),
        "verdicts": RunVerdict.objects.count(),
    }


def _ids(sample: Any) -> dict[str, str]:
    """For each kind of row one id of the organisation, by the name of its model in lower case."""
    from django.apps import apps

    from accounts.tenancy import TenantModel

    found = {}
    for model in apps.get_models():
        if issubclass(model, TenantModel):
            row = model.unscoped.filter(organisation=sample.people.organisation).order_by("pk").first()
            if row is not None:
                found[model.__name__.lower()] = str(row.pk)
    return found | {"run": str(sample.run.pk)}


def _pages(sample: Any) -> Iterator[dict[str, Any]]:
    """Every page that answers 200 to a GET by the owner or the reviewer."""
    from django.test import Client
    from django.urls import get_resolver

    from tests.test_outsider import _routes

    ids = _ids(sample)
    clients = []
    for person in (sample.people.owner, sample.people.reviewer):
        client = Client(SERVER_NAME="localhost")
        client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
        clients.append(client)
    for route, pattern in _routes(get_resolver()):
        if not route.startswith("o/"):
            continue
        for place in _filled(route, ids, sample.people.organisation.slug):
            client = next((c for c in clients if c.get(place).status_code == 200), None)
            if client is not None:
                timed = _timed(partial(client.get, place))
                yield {"page": pattern.name or route, "route": route, **timed}
                break


def _lists(sample: Any) -> Iterator[dict[str, Any]]:
    """Every API operation that answers 200 to a GET without an id."""
    from django.test import Client
    from django.urls import get_resolver

    from accounts.api_auth import new_token
    from tests.test_outsider import _routes

    _token, secret = new_token(sample.people.owner, sample.people.organisation, "bench", ["read"])
    client, headers = Client(SERVER_NAME="localhost"), {"Authorization": f"Bearer {secret}"}
    for route, _pattern in _routes(get_resolver()):
        place = "/" + route
        listed = route.startswith("api/") and "<" not in route and "openapi" not in route
        if listed and client.get(place, headers=headers).status_code == 200:
            yield {"list": route, **_timed(partial(client.get, place, headers=headers))}


def _filled(route: str, ids: dict[str, str], org: str) -> Iterator[str]:
    """The route with ids: the parameter's own name where that is a model, else each kind in turn."""
    names = [name for name in re.findall(r"<[^:>]*:?([^>]+)>", route) if name != "org"]
    kinds = [[ids[n]] if n in ids else list(ids.values()) for n in names[:1]]
    for choice in kinds[0] if kinds else [""]:
        filled = route.replace("<slug:org>", org)
        for name in names:
            value = ids.get(name) or (ids["run"] if name in ("before", "after", "run") else choice)
            filled = re.sub(rf"<[^:>]*:?{name}>", value, filled)
        yield "/" + filled


def _timed(ask: Any) -> dict[str, Any]:
    ask()
    ask()
    taken = []
    for _ in range(ASKED):
        start = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - start) * 1_000)
    taken.sort()
    return {"p50_ms": round(taken[len(taken) // 2], 1), "p95_ms": round(taken[int(len(taken) * 0.95)], 1)}


if __name__ == "__main__":
    _main()
