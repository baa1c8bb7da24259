"""For load balancers and monitors: alive, ready, and figures for Prometheus. None of them tells a secret."""

from __future__ import annotations

import hmac
import os
import tempfile
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs.clock import DatabaseSeconds
from jobs.models import Event, Job, Shard, ShardState, Worker

__all__ = ["AnyHost", "live", "metrics", "oldest_claimable", "ready"]

Handler = Callable[[HttpRequest], HttpResponse]

_ALIVE_SECONDS = 90.0


class AnyHost:
    """Middleware: probes ask a process by its own address, `Host: web:8000` or a pod's IP, and are answered.

    The check of hosts is left out for these addresses alone, whose answers name no host. Without a token it
    stays for /metrics: a page of another name that leads to this machine could read them in its browser.
    """

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info
        if path in ("/health/live", "/health/ready") or (path == "/metrics" and settings.ENV.metrics_token):
            request.META["HTTP_HOST"] = "127.0.0.1"
        return self._get_response(request)


@never_cache
@require_safe
def live(_request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"live": True})


@never_cache
@require_safe
def ready(_request: HttpRequest) -> HttpResponse:
    """It can serve: database, migrations and files are there. Says how long the oldest work has waited."""
    found: dict[str, Any] = {}
    for name, check in _CHECKS.items():
        try:
            found[name] = check()
        except Exception:  # whatever it is, the answer is "not ready"; the log has it
            _log_failure(name)
            found[name] = False
    good = all(value is not False for value in found.values())
    return JsonResponse({"ready": good, **found}, status=200 if good else 503)


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def _migrations() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _files() -> bool:
    settings.ENV.files.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=settings.ENV.files) as probe:
        probe.write(b"1")
    return True


def oldest_claimable() -> float:
    """Seconds that the oldest shard anybody could take has waited; 0.0 where none waits."""
    found = Shard.objects.filter(
        state__in=(ShardState.READY, ShardState.LEASED), claimable_at__lte=DatabaseSeconds()
    ).aggregate(waited=DatabaseSeconds() - Min("claimable_at"))["waited"]
    return max(0.0, float(found or 0.0))


_CHECKS: dict[str, Callable[[], bool | float]] = {
    "database": _database,
    "migrations": _migrations,
    "files": _files,
    "oldest_claimable_seconds": lambda: round(oldest_claimable(), 3),
}


def _log_failure(name: str) -> None:
    import logging

    logging.getLogger(__name__).exception("Not ready: %s.", name)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Figures of the whole installation, in Prometheus' text format.

    For whoever sends ASSAY_METRICS_TOKEN as a bearer; without one, for this machine alone.
    """
    if not _may_read(request):
        return HttpResponse(
            "Send Authorization: Bearer with ASSAY_METRICS_TOKEN.\n", "text/plain", status=403
        )
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()

    def gauge(name: str, words: str, values: dict[tuple[str, ...], float], *labels: str) -> None:
        made = Gauge(f"assay_{name}", words, labels, registry=registry)
        for key, value in values.items():
            (made.labels(*key) if labels else made).set(value)

    by_state = Job.unscoped.values_list("kind", "state").annotate(n=Count("pk")).order_by()
    gauge("jobs", "Jobs by kind and state.", {(k, s): n for k, s, n in by_state}, "kind", "state")
    open_shards = (
        Shard.objects.filter(state__in=(ShardState.READY, ShardState.LEASED))
        .values_list("queue", "state")
        .annotate(n=Count("pk"))
        .order_by()
    )
    gauge(
        "shards",
        "Shards that are not done, by queue.",
        {(q, s): n for q, s, n in open_shards},
        "queue",
        "state",
    )
    gauge(
        "oldest_claimable_seconds",
        "How long the oldest claimable shard has waited.",
        {(): oldest_claimable()},
    )
    events = Event.objects.values_list("what").annotate(n=Count("pk")).order_by()
    gauge("shard_events", "Events of shards since the beginning.", {(w,): n for w, n in events}, "what")
    alive = Worker.objects.filter(seen_at__gte=DatabaseSeconds() - _ALIVE_SECONDS)
    gauge("workers", "Workers seen in the last 90 seconds.", {(): alive.count()})
    gauge("process_resident_bytes", "Memory of this web process.", {(): _resident()})
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_FORWARDED")


def _may_read(request: HttpRequest) -> bool:
    token = settings.ENV.metrics_token
    if token:
        sent = request.headers.get("Authorization", "")
        return hmac.compare_digest(sent.encode(), f"Bearer {token}".encode())
    # behind a proxy on the same machine, everybody would look local
    forwarded = any(name in request.META for name in _FORWARDED)
    return request.META.get("REMOTE_ADDR") in ("127.0.0.1", "::1") and not forwarded


def _resident() -> float:
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123
            return float(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0.0
