"""How long pages and API lists take in a large organisation: 200 systems, 10,000 runs, 2 million measures.

Run as `python -m benchmarks.pages`, which prints the slowest as a table. PostgreSQL is the server that
ASSAY_BENCH_POSTGRESQL names; a database is made there, filled (benchmarks/large_organisation.py) and dropped.
Every page and API list of the URL map is asked for in process, as its reader. Beside the time on the clock
stands the time on this process's CPU, which other work on the machine does not stretch.
"""

from __future__ import annotations

import gc
import json
import math
import re
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.database import in_process, postgresql

__all__ = ["run", "timed"]

ASKED = 40
"""Requests a page, after two that warm up."""
PAGE_MS, LIST_MS, WEB_MB = 150.0, 80.0, 200.0
"""Limits that are printed beside what was measured."""


def run() -> dict[str, Any]:
    """Seed a database of its own, ask for everything, drop it.

    Returns:
        `rows` of each table; `pages`, `lists` and `others` (API answers that are no lists), slowest first,
        each with `p50_ms`, `p95_ms`, `cpu_ms` (the median of this process), `queries` and `kb`; `web`: what
        the process holds in memory.
    """
    with postgresql() as environment:
        in_process("benchmarks.pages", "seed", environment)
        # a process that never ran a job, as the web process is
        return in_process("benchmarks.pages", "ask", environment)


def _seed() -> dict[str, Any]:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from tests.sample import build

    sample = build()
    from benchmarks.large_organisation import multiply

    counts = multiply(sample)
    known = {"rows": counts, "ids": _ids(sample)}
    Path(settings.ENV.home, "known.json").write_text(json.dumps(known))
    return known


def _ask() -> dict[str, Any]:
    from django.conf import settings

    import config.wsgi  # noqa: F401  # as gunicorn starts it

    known = json.loads(Path(settings.ENV.home, "known.json").read_text())
    pages = sorted(_pages(known["ids"]), key=lambda line: -float(line["p95_ms"]))
    answers = sorted(_lists(known["ids"]), key=lambda line: -float(line["p95_ms"]))
    found = {"rows": known["rows"], "pages": pages, "lists": [a for a in answers if a["is_list"]]}
    return found | {"others": [a for a in answers if not a["is_list"]], "web": _memory()}


def _memory() -> dict[str, Any]:
    """What this process holds, and held at most, having served everything."""
    status = Path("/proc/self/status").read_text()
    now, peak = (int(status.partition(f"{name}:")[2].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return {"mb": round(now), "peak_mb": round(peak), "torch": "torch" in sys.modules}


def _ids(sample: Any) -> dict[str, str]:
    """For each kind of row the sample's own (or else the oldest), by the name of its model in lower case."""
    from django.apps import apps

    from accounts.tenancy import TenantModel

    people = sample.people
    found = {name: str(person.pk) for name, person in people._asdict().items()}
    for model in apps.get_models():
        if issubclass(model, TenantModel):
            row = model.unscoped.filter(organisation=people.organisation).order_by("pk").first()
            if row is not None:
                found[model.__name__.lower()] = str(row.pk)
    for row in reversed(list(sample.rows.values())):
        found[type(row).__name__.lower()] = str(row.pk)
    other = {name: str(sample.rows[key].pk) for name, key in (("before", "biased"), ("after", "mended"))}
    return found | other | {"run": str(sample.run.pk), "org": people.organisation.slug}


def _pages(ids: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Every page that answers 200 to a GET by the owner, the reviewer or the operator."""
    from django.test import Client
    from django.urls import get_resolver

    from accounts.models import User

    clients = []
    for person in ("owner", "reviewer", "operator"):
        client = Client(SERVER_NAME="localhost")
        client.force_login(
            User.objects.get(pk=ids[person]), backend="allauth.account.auth_backends.AuthenticationBackend"
        )
        clients.append(client)
    for route, pattern in _routes(get_resolver()):
        if not route.startswith("o/"):
            continue
        for place in _filled(route, ids):
            client = next((c for c in clients if c.get(place).status_code == 200), None)
            if client is not None:
                yield {"page": pattern.name or route, "route": route, **timed(partial(client.get, place))}
                break


def _lists(ids: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Every API operation that answers 200 to a GET; `is_list` tells pages of rows from single answers."""
    from django.test import Client
    from django.urls import get_resolver

    from accounts.api_auth import new_token
    from accounts.models import Organisation, User

    organisation = Organisation.objects.get(slug=ids["org"])
    _token, secret = new_token(User.objects.get(pk=ids["owner"]), organisation, "bench", ["read"])
    client, headers = Client(SERVER_NAME="localhost"), {"Authorization": f"Bearer {secret}"}
    for route, _pattern in _routes(get_resolver()):
        if not route.startswith("api/v1/") or "openapi" in route:
            continue
        for place in _filled(route, ids):
            if client.get(place, headers=headers).status_code == 200:
                ask = partial(client.get, place, headers=headers)
                body = client.get(place, headers=headers)
                is_list = body["Content-Type"].startswith("application/json") and "items" in body.json()
                yield {"list": route, "is_list": is_list, **timed(ask)}
                break


def _routes(resolver: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every address of the URL map. (The tests' own walk would bring pytest into the measured memory.)"""
    for entry in resolver.url_patterns:
        route = above + str(entry.pattern).replace("^", "").replace("$", "")
        if hasattr(entry, "url_patterns"):
            yield from _routes(entry, route)
        else:
            yield route, entry


def _filled(route: str, ids: dict[str, str]) -> Iterator[str]:
    """The route with ids: the parameter's own name where that is a kind of row, else each kind in turn."""
    names = [name for name in re.findall(r"<[^:>]*:?([^>]+)>", route) if name != "org"]
    known = {name: ids.get(name.removesuffix("_id")) for name in names}
    open_ended = not all(known.values())
    choices = [v for k, v in ids.items() if len(v) == 36] if open_ended else [""]
    for choice in choices:
        filled = route.replace("<slug:org>", ids["org"])
        for name in names:
            value = known[name] or ("1" if f"<int:{name}>" in route else choice)
            filled = re.sub(rf"<[^:>]*:?{name}>", value, filled)
        yield "/" + filled


def timed(ask: Any) -> dict[str, Any]:
    """Milliseconds, queries and KB of what `ask` answers, warmed up."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    before = _memory()["mb"]
    ask()
    with CaptureQueriesContext(connection) as captured:
        answer = ask()
    queries = len(captured)
    kb = len(answer.getvalue() if getattr(answer, "streaming", False) else answer.content) / 1024
    gc.collect()
    taken, cpu = [], []
    for _ in range(ASKED):
        start, busy = time.perf_counter(), time.process_time()
        ask()
        taken.append((time.perf_counter() - start) * 1_000)
        cpu.append((time.process_time() - busy) * 1_000)
    taken.sort()
    cpu.sort()
    return {
        "p50_ms": round(taken[len(taken) // 2], 1),
        "p95_ms": round(taken[math.ceil(len(taken) * 0.95) - 1], 1),
        "cpu_ms": round(cpu[len(cpu) // 2], 1),
        "queries": queries,
        "kb": round(kb),
        "grown_mb": _memory()["mb"] - before,
    }


def print_table(found: dict[str, Any]) -> None:
    """The twenty slowest pages and API answers."""
    for kind, name in (("pages", "route"), ("lists", "list"), ("others", "list")):
        print(f"{kind} ({len(found[kind])}): p50, p95, CPU in ms; queries; KB")
        for line in found[kind][:20]:
            figures = f"{line['p50_ms']:7.1f} {line['p95_ms']:7.1f} {line['cpu_ms']:7.1f}"
            print(f"  {figures} {line['queries']:4} {line['kb']:5}  {line[name]}")
    print(f"web process: {found['web']}")
    everything = [*found["pages"], *found["lists"], *found["others"]]
    for line in sorted(everything, key=lambda line: -int(line["grown_mb"]))[:8]:
        print(f"  grew by {line['grown_mb']} MB: {line.get('route') or line.get('list')}")


if __name__ == "__main__":
    step = {"seed": _seed, "ask": _ask}.get(sys.argv[1] if sys.argv[1:] else "")
    if step is not None:
        print(json.dumps(step()))
    else:
        print_table(run())
