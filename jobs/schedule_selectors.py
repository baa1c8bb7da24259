"""Reading schedules for pages and the API, with a fixed number of queries."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Subquery

from accounts.models import Organisation
from jobs.models import Firing, Schedule
from jobs.schedule_times import in_words, next_times, zone_of
from jobs.schedules import About, Made, get_trigger, now, triggers

__all__ = ["FiringLine", "ScheduleLine", "coming", "firings_of", "when_of", "with_abouts"]


@dataclass(frozen=True)
class FiringLine:
    """A firing and what it made, as it stands now."""

    firing: Firing
    made: Made | None

    @property
    def look(self) -> tuple[str, str, str]:
        """Colour, icon and word."""
        if self.firing.state == "failed":
            return "fail", "fail", "Could not start"
        if self.firing.state == "skipped":
            return "none", "none", "Skipped"
        return "pass", "pass", "Started"


@dataclass(frozen=True)
class ScheduleLine:
    """A schedule as a list shows it."""

    schedule: Schedule
    about: About | None
    last: FiringLine | None

    @property
    def when(self) -> str:
        return when_of(self.schedule)


def with_abouts(organisation: Organisation, schedules: Sequence[Schedule]) -> list[ScheduleLine]:
    """Schedules with what they are about and their latest firing."""
    keys = [schedule.pk for schedule in schedules]
    latest = Firing.objects.filter(schedule=OuterRef("schedule")).order_by("-fire_at").values("pk")[:1]
    last = {
        firing.schedule_id: firing for firing in Firing.objects.filter(schedule__in=keys, pk=Subquery(latest))
    }
    abouts: dict[uuid.UUID, About] = {}
    made: dict[uuid.UUID, Made] = {}
    for name in triggers():
        mine = [schedule for schedule in schedules if schedule.trigger == name]
        if mine:
            abouts.update(get_trigger(name).about(organisation, mine))
            ids = [key for s in mine if s.pk in last and (key := last[s.pk].made_id) is not None]
            made.update(get_trigger(name).made(organisation, ids))
    lines = {key: _line(firing, made) for key, firing in last.items()}
    return [ScheduleLine(s, abouts.get(s.pk), lines.get(s.pk)) for s in schedules]


def firings_of(schedule: Schedule, limit: int = 50) -> list[FiringLine]:
    """The latest firings, newest first."""
    found = list(schedule.firings.order_by("-fire_at")[:limit])
    ids = [firing.made_id for firing in found if firing.made_id is not None]
    made = get_trigger(schedule.trigger).made(schedule.organisation, ids) if ids else {}
    return [_line(firing, made) for firing in found]


def coming(schedule: Schedule, count: int = 5) -> list[datetime]:
    """The next times of an active cron schedule; none for the others."""
    if not schedule.active or schedule.when != Schedule.When.CRON:
        return []
    zone = zone_of(schedule.organisation.timezone)
    first = [schedule.next_at] if schedule.next_at else []
    return [*first, *next_times(schedule.cron, zone, first[0] if first else now(), count - len(first))]


def when_of(schedule: Schedule) -> str:
    """When it fires, in words."""
    if schedule.when == Schedule.When.CRON:
        return in_words(schedule.cron)
    return Schedule.When(schedule.when).label


def _line(firing: Firing, made: Mapping[uuid.UUID, Made]) -> FiringLine:
    return FiringLine(firing, made.get(firing.made_id) if firing.made_id is not None else None)
