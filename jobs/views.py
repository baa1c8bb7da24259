"""The operator's pages: what waits, who works, what went wrong, and the two buttons."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.access import member
from assay.errors import AssayError
from jobs import selectors, services
from jobs.models import Event, Job

__all__ = ["cancel", "job", "jobs", "retry"]

_PAGE = 25
_EVENTS = 200
_FILTERS = (("", "All"), ("open", "Open"), ("trouble", "With trouble"))
_STATES = {
    "waiting": ("none", "open"),
    "running": ("none", "open"),
    "cancelling": ("warn", "warn"),
    "done": ("pass", "pass"),
    "incomplete": ("warn", "warn"),
    "failed": ("fail", "fail"),
    "cancelled": ("none", "none"),
}
"""Colour and icon of each state."""
_EVENTS_LOOK = {
    "committed": ("pass", "pass"),
    "failed": ("fail", "fail"),
    "expired": ("warn", "warn"),
    "fenced": ("warn", "warn"),
    "retried": ("warn", "warn"),
    "cancelled": ("none", "none"),
}
_WORDS = {
    "submitted": "Submitted",
    "claimed": "Begun",
    "expired": "Taken over: its worker fell silent",
    "checkpointed": "Checkpoint kept",
    "committed": "Done",
    "fenced": "Result discarded: somebody else held it by then",
    "retried": "Failed; to be tried again",
    "released": "Given back unharmed",
    "failed": "Given up",
    "cancelling": "Cancellation asked for",
    "cancelled": "Cancelled",
    "reopened": "Tried again by a person",
    "ended": "Ended",
}


@member("operate")
def jobs(request: Any) -> HttpResponse:
    chosen = request.GET.get("show", "")
    found = selectors.jobs_of(request.organisation, chosen)
    page = Paginator(found, _PAGE).get_page(request.GET.get("page"))
    everything = selectors.jobs_of(request.organisation)
    workers = selectors.workers()
    context = {
        "page": page,
        "rows": [(row, *_STATES[row.job.state]) for row in selectors.job_rows(page.object_list)],
        "queues": selectors.queues(request.organisation),
        "workers": workers,
        "live": [worker for worker in workers if worker["live"]],
        "open": selectors.jobs_of(request.organisation, "open").count(),
        "trouble": selectors.jobs_of(request.organisation, "trouble").count(),
        "any": everything.exists(),
        "filters": _FILTERS,
        "chosen": chosen,
    }
    return render(request, "jobs/jobs.html", context)


@member("operate")
def job(request: Any, pk: uuid.UUID) -> HttpResponse:
    found = _job(request, pk)
    events = Event.objects.filter(job=found).select_related("shard").order_by("-id")
    listed = [
        {
            "at": datetime.fromtimestamp(event.at, UTC),
            "words": _WORDS.get(event.what, event.what),
            "look": _EVENTS_LOOK.get(event.what, ("none", "open")),
            "shard": event.shard,
            "worker": event.worker,
            "token": event.token,
            "detail": event.detail,
        }
        for event in events[:_EVENTS]
    ]
    [row] = selectors.job_rows([found])
    look, mark = _STATES[found.state]
    context = {
        "job": found,
        "row": row,
        "look": look,
        "mark": mark,
        "events": listed,
        "events_total": events.count(),
        "may_retry": selectors.may_retry(found),
    }
    return render(request, "jobs/job.html", context)


@member("operate")
@require_http_methods(["GET", "POST"])
def cancel(request: Any, pk: uuid.UUID) -> HttpResponse:
    """Asks first; the second of two is told that it is done."""
    found = _job(request, pk)
    if request.method == "POST":
        if services.cancel(found, by=request.user):
            messages.success(request, "The job is being cancelled.")
        else:
            messages.warning(request, "The job had ended already; nothing was changed.")
        return redirect("jobs:job", request.organisation.slug, found.pk)
    return render(request, "jobs/sure.html", {"job": found, "what": "cancel"})


@member("operate")
@require_http_methods(["GET", "POST"])
def retry(request: Any, pk: uuid.UUID) -> HttpResponse:
    found = _job(request, pk)
    if request.method == "POST":
        try:
            services.retry(found, by=request.user)
        except AssayError as error:
            messages.warning(request, error.message)
        else:
            messages.success(request, "The job runs again.")
        return redirect("jobs:job", request.organisation.slug, found.pk)
    return render(request, "jobs/sure.html", {"job": found, "what": "retry"})


def _job(request: Any, pk: uuid.UUID) -> Job:
    found: Job = get_object_or_404(Job.objects.of(request.organisation).select_related("submitted_by"), pk=pk)
    return found
