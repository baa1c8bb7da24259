"""The API of schedules."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Literal

from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema, Status
from pydantic import ConfigDict, Field

from accounts.api_auth import require
from assay.errors import BadInput
from jobs.models import Firing, Schedule
from jobs.schedule_selectors import FiringLine, coming, firings_of, when_of, with_abouts
from jobs.schedule_services import (
    Wish,
    create_schedule,
    delete_schedule,
    edit_schedule,
    pause,
    resume,
)
from jobs.schedules import fire_now, get_trigger

__all__ = ["router"]

router = Router(tags=["schedules"])
_EXAMPLE: dict[str, Any] = {
    "name": "nightly audit",
    "trigger": "audit",
    "when": "cron",
    "cron": "0 3 * * *",
    "catch_up": "once",
    "request": {
        "model": "7f6c2d0e-6f4e-4a8f-9d0b-2f1f8f0f1c11",
        "dataset": "b8a3f2de-1b1c-4c39-9f1e-3a6a9b1e7a22",
        "policy": None,
        "tier": "quick",
        "methods": None,
    },
}


class ScheduleIn(Schema):
    """What a schedule is to be."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    name: str = Field(max_length=1000)
    trigger: str = Field("audit", max_length=40)
    when: Literal["cron", "new_version", "new_data"] = "cron"
    cron: str = Field("", max_length=1000, description="Five fields, in the organisation's time zone.")
    catch_up: Literal["skip", "once", "all"] = Field("once", description="After a downtime.")
    request: dict[str, Any] = Field(default_factory=dict, description="What the trigger needs to know.")

    def wish(self) -> Wish:
        return Wish(self.name, self.trigger, self.when, self.cron, self.catch_up, self.request)


class FiringOut(Schema):
    """A time that it was due."""

    id: int = Field(examples=[412])
    fire_at: datetime
    state: Literal["started", "skipped", "failed"]
    reason: str
    made_id: uuid.UUID | None = Field(description="What it made: an audit's id.")
    made_state: str = Field(description="Where that stands, in a word or two.")


class ScheduleOut(Schema):
    """A schedule."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "4a2c7a54-5b5e-4d27-8d47-a20c8a3f5d10",
                **_EXAMPLE,
                "about": "Quick audit of scorer on the latest loans, without a policy",
                "when_in_words": "At 03:00 every day",
                "active": True,
                "next_at": "2026-11-29T02:00:00Z",
                "created_by": "Robin",
            }
        }
    )

    id: uuid.UUID
    name: str
    trigger: str
    about: str
    when: str
    when_in_words: str
    cron: str
    catch_up: str
    request: dict[str, Any]
    active: bool
    next_at: datetime | None
    created_by: str


class ScheduleDetail(ScheduleOut):
    """A schedule with what comes and what was."""

    coming: list[datetime] = Field(description="The next five times.")
    firings: list[FiringOut] = Field(description="The latest 50.")


class Schedules(Schema):
    """A page of schedules."""

    total: int
    items: list[ScheduleOut]


class RunNow(Schema):
    """Start at once."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"seen": 0}})

    seen: int | None = Field(
        None,
        ge=0,
        le=2**63 - 1,
        description="Id of the latest firing known (0: none); another one since: 409.",
    )


@router.get("/schedules", response=Schedules)
def list_schedules(
    request: Any,
    limit: int = Query(50, ge=1, le=100),  # type: ignore[type-arg]
    offset: int = Query(0, ge=0, le=1_000_000),  # type: ignore[type-arg]
) -> dict[str, Any]:
    """Schedules by name."""
    request = require(request, "read")
    rows = Schedule.objects.of(request.organisation).select_related("created_by").order_by("name", "pk")
    page = list(rows[offset : offset + limit])
    lines = with_abouts(request.organisation, page)
    items = [_out(line.schedule, line.about.what if line.about else "") for line in lines]
    return {"total": rows.count(), "items": items}


@router.post("/schedules", response={201: ScheduleDetail})
def add_schedule(request: Any, body: ScheduleIn) -> Status[dict[str, Any]]:
    """Make a schedule; it runs in the token owner's name."""
    request = require(request, "schedule")
    return Status(201, _detail(create_schedule(request.organisation, body.wish(), by=request.user)))


@router.get("/schedules/{uuid:schedule_id}", response=ScheduleDetail)
def get_schedule(request: Any, schedule_id: uuid.UUID) -> dict[str, Any]:
    """One schedule with its next times and its latest firings."""
    request = require(request, "read")
    return _detail(_get(request, schedule_id))


@router.put("/schedules/{uuid:schedule_id}", response=ScheduleDetail)
def change_schedule(request: Any, schedule_id: uuid.UUID, body: ScheduleIn) -> dict[str, Any]:
    """Replace it; the token's owner takes it over."""
    request = require(request, "schedule")
    found = _get(request, schedule_id)
    if body.trigger != found.trigger:
        raise BadInput("A schedule keeps its trigger; make a new one.")
    return _detail(edit_schedule(found, body.wish(), by=request.user))


@router.post("/schedules/{uuid:schedule_id}/pause", response=ScheduleDetail)
def pause_schedule(request: Any, schedule_id: uuid.UUID) -> dict[str, Any]:
    """Fire no more until it is resumed."""
    request = require(request, "schedule")
    pause(_get(request, schedule_id), by=request.user)
    return _detail(_get(request, schedule_id))


@router.post("/schedules/{uuid:schedule_id}/resume", response=ScheduleDetail)
def resume_schedule(request: Any, schedule_id: uuid.UUID) -> dict[str, Any]:
    """Fire again, from the next time on."""
    request = require(request, "schedule")
    resume(_get(request, schedule_id), by=request.user)
    return _detail(_get(request, schedule_id))


@router.post("/schedules/{uuid:schedule_id}/run", response={201: FiringOut})
def run_schedule(request: Any, schedule_id: uuid.UUID, body: RunNow) -> Status[dict[str, Any]]:
    """Fire at once."""
    request = require(request, "schedule")
    found = _get(request, schedule_id)
    last = found.firings.order_by("-pk").values_list("pk", flat=True).first() or 0
    firing = fire_now(found, by=request.user, seen=last if body.seen is None else body.seen)
    return Status(201, _firing(FiringLine(firing, None)))


@router.delete("/schedules/{uuid:schedule_id}", response={204: None})
def remove_schedule(request: Any, schedule_id: uuid.UUID) -> Status[None]:
    """Remove it for good; what it made stays."""
    request = require(request, "schedule")
    delete_schedule(_get(request, schedule_id), by=request.user)
    return Status(204, None)


def _get(request: Any, key: uuid.UUID) -> Schedule:
    rows = Schedule.objects.of(request.organisation).select_related("organisation", "created_by")
    found: Schedule = get_object_or_404(rows, pk=key)
    return found


def _out(schedule: Schedule, about: str) -> dict[str, Any]:
    return {
        "id": schedule.pk,
        "name": schedule.name,
        "trigger": schedule.trigger,
        "about": about,
        "when": schedule.when,
        "when_in_words": when_of(schedule),
        "cron": schedule.cron,
        "catch_up": schedule.catch_up,
        "request": schedule.request,
        "active": schedule.active,
        "next_at": schedule.next_at,
        "created_by": str(schedule.created_by),
    }


def _detail(schedule: Schedule) -> dict[str, Any]:
    about = get_trigger(schedule.trigger).about(schedule.organisation, [schedule]).get(schedule.pk)
    return {
        **_out(schedule, about.what if about else ""),
        "coming": coming(schedule),
        "firings": [_firing(line) for line in firings_of(schedule)],
    }


def _firing(line: FiringLine) -> dict[str, Any]:
    firing: Firing = line.firing
    return {
        "id": firing.pk,
        "fire_at": firing.fire_at,
        "state": firing.state,
        "reason": firing.reason,
        "made_id": firing.made_id,
        "made_state": line.made.word if line.made else "",
    }
