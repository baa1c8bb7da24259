"""Pages of schedules."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.access import MemberRequest, member
from accounts.sent_before import show_refusal
from assay.errors import AssayError, BadInput
from jobs.models import Schedule
from jobs.schedule_forms import ScheduleForm, ways
from jobs.schedule_selectors import coming, firings_of, when_of, with_abouts
from jobs.schedule_services import (
    Wish,
    create_schedule,
    delete_schedule,
    edit_schedule,
    pause,
    resume,
)
from jobs.schedule_times import check_cron, in_words, next_times, zone_of
from jobs.schedules import fire_now, get_trigger, now, triggers

__all__ = [
    "delete",
    "edit",
    "new_schedule",
    "run_now",
    "schedule",
    "schedule_times",
    "schedules",
    "switch",
]

_PAGE = 100


@require_GET
@member()
def schedules(request: MemberRequest) -> HttpResponse:
    """All schedules: those that failed last come first."""
    found = Schedule.objects.of(request.organisation).order_by("-active", "name", "pk")[:_PAGE]
    lines = with_abouts(request.organisation, list(found))
    failing = [line for line in lines if line.last is not None and line.last.firing.state == "failed"]
    others = [line for line in lines if line not in failing]
    return render(request, "jobs/schedules.html", {"lines": [*failing, *others], "failing": len(failing)})


@require_GET
@member()
def schedule(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """One schedule: when, what, the next times, and what became of the earlier ones."""
    found = _get(request, pk)
    lines = firings_of(found)
    about = get_trigger(found.trigger).about(request.organisation, [found]).get(found.pk)
    return render(
        request,
        "jobs/schedule.html",
        {
            "schedule": found,
            "about": about,
            "when": when_of(found),
            "coming": coming(found),
            "lines": lines,
            "seen": max((line.firing.pk for line in lines), default=0),
        },
    )


@member("schedule")
def new_schedule(request: MemberRequest) -> HttpResponse:
    """Make a schedule; the trigger comes from ?trigger=, what it is about may come along."""
    name = request.POST.get("trigger") or request.GET.get("trigger") or next(iter(triggers()), "")
    return _form(request, None, name)


@member("schedule")
def edit(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    found = _get(request, pk)
    return _form(request, found, found.trigger)


@require_GET
@member("schedule")
def schedule_times(request: MemberRequest) -> HttpResponse:
    """The next five times of ?cron=, as a fragment under the field."""
    return render(request, "jobs/schedule_times.html", _preview(request, request.GET.get("cron", "")))


@require_POST
@member("schedule")
def switch(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """Pause or resume."""
    found = _get(request, pk)
    if request.POST.get("to") == "pause":
        pause(found, by=request.user)
        messages.success(request, f"{found} is paused.")
    else:
        resume(found, by=request.user)
        messages.success(request, f"{found} goes on.")
    return redirect("jobs:schedule", request.organisation.slug, found.pk)


@require_POST
@member("schedule")
def run_now(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    found = _get(request, pk)
    said = request.POST.get("seen", "")
    seen = int(said) if said.isdecimal() and len(said) < 20 else 0
    try:
        firing = fire_now(found, by=request.user, seen=seen)
    except AssayError as error:
        messages.warning(request, error.message)
    else:
        if firing.state == "failed":
            messages.error(request, f"It could not start. {firing.reason}")
        else:
            messages.success(request, "Started.")
    return redirect("jobs:schedule", request.organisation.slug, found.pk)


@member("schedule")
def delete(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask, then delete."""
    found = _get(request, pk)
    if request.method == "POST":
        delete_schedule(found, by=request.user)
        messages.success(request, f"{found} was deleted. What it made stays.")
        return redirect("jobs:schedules", request.organisation.slug)
    count = found.firings.count()
    return render(request, "jobs/schedule_delete.html", {"schedule": found, "count": count})


def _get(request: MemberRequest, pk: uuid.UUID) -> Schedule:
    rows = Schedule.objects.of(request.organisation).select_related("organisation", "created_by")
    found: Schedule = get_object_or_404(rows, pk=pk)
    return found


def _form(request: MemberRequest, found: Schedule | None, name: str) -> HttpResponse:
    trigger = get_trigger(name)
    data = request.POST if request.method == "POST" else None
    if found is None:
        initial: dict[str, Any] = {k: v for k, v in request.GET.items() if k in ("name", "cron", "when")}
        about = request.GET.dict()
    else:
        initial = {"name": found.name, "when": found.when, "catch_up": found.catch_up}
        initial["cron"] = found.cron or "0 3 * * *"
        about = dict(found.request)
    form = ScheduleForm(data, initial=initial)
    request_form = trigger.form(request.organisation, data, about)
    if data is not None and "preview" not in data and form.is_valid() & request_form.is_valid():
        value = form.cleaned_data
        wish = Wish(
            value["name"],
            name,
            value["when"],
            value["cron"],
            value["catch_up"],
            trigger.request_of(request_form),
        )
        try:
            if found is None:
                made = create_schedule(request.organisation, wish, by=request.user, key=value["key"])
            else:
                made = edit_schedule(found, wish, by=request.user)
        except BadInput as error:
            show_refusal(form, error)
        else:
            messages.success(request, f"{made} is saved.")
            return redirect("jobs:schedule", request.organisation.slug, made.pk)
    cron = str(form["cron"].value() or "")
    return render(
        request,
        "jobs/schedule_form.html",
        {
            "schedule": found,
            "trigger": name,
            "trigger_title": trigger.title,
            "triggers": {key: one.title for key, one in triggers().items()},
            "form": form,
            "request_form": request_form,
            "fields": ways(form),
            "request_fields": ways(request_form),
            **_preview(request, cron),
        },
    )


def _preview(request: MemberRequest, cron: str) -> dict[str, Any]:
    """Words and next times of an expression, or why it cannot be read."""
    try:
        checked = check_cron(cron)
    except BadInput as error:
        return {"cron_error": error.message}
    zone = zone_of(request.organisation.timezone)
    return {"cron_words": in_words(checked), "cron_times": next_times(checked, zone, now(), 5)}
