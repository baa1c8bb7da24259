"""Making, changing, pausing and deleting schedules. Each is a human decision, so the trail has it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import Organisation, User
from accounts.names import trouble_with
from accounts.sent_before import UsedBefore, refuse_other_content
from assay.errors import AssayError, BadInput
from jobs.models import Schedule
from jobs.schedule_times import check_cron
from jobs.schedules import get_trigger, next_time, now
from trail.services import record

__all__ = [
    "Wish",
    "create_schedule",
    "delete_schedule",
    "edit_schedule",
    "on_timezone_changed",
    "pause",
    "resume",
    "retime",
]


@dataclass(frozen=True)
class Wish:
    """What somebody wants a schedule to be."""

    name: str
    trigger: str
    when: str = "cron"
    cron: str = ""
    catch_up: str = "once"
    request: Mapping[str, Any] | None = None


def create_schedule(
    organisation: Organisation, wish: Wish, *, by: User, key: uuid.UUID | None = None
) -> Schedule:
    """A new, active schedule.

    Args:
        key: id of the new row; the same key again gives the row that it made (a form sent twice).

    Raises:
        UsedBefore: the id's schedule says something else.
        BadInput: a cron expression that cannot be read, a request that the trigger refuses.
    """
    schedule = Schedule(
        id=key or uuid.uuid4(), organisation=organisation, trigger=wish.trigger, created_by=by
    )
    _fill(schedule, wish)
    if key is not None and (there := _made_before(schedule)) is not None:
        return there
    try:
        with transaction.atomic():
            schedule.save(force_insert=True)
            _note(schedule, "created", by)
    except IntegrityError:
        again = _made_before(schedule)
        if again is None:
            raise UsedBefore from None
        return again
    return schedule


def _made_before(schedule: Schedule) -> Schedule | None:
    """What the same form made when it was sent before. Raises UsedBefore where it said something else."""
    there: Schedule | None = Schedule.objects.of(schedule.organisation_id).filter(pk=schedule.pk).first()
    if there is not None:
        said = ("trigger", "name", "when", "cron", "catch_up", "target_id", "request")
        refuse_other_content(there, **{name: getattr(schedule, name) for name in said})
    return there


def edit_schedule(schedule: Schedule, wish: Wish, *, by: User) -> Schedule:
    """Change it; whoever edits takes it over. A paused one stays paused. Raises BadInput."""
    with transaction.atomic():
        locked = _locked(schedule)
        locked.created_by = by
        _fill(locked, wish)
        locked.save()
        _note(locked, "edited", by)
    return locked


def pause(schedule: Schedule, *, by: User) -> None:
    """Fire no more until it is resumed; times that pass meanwhile do not count as missed."""
    with transaction.atomic():
        locked = _locked(schedule)
        if not locked.active:
            return
        locked.active, locked.next_at = False, None
        locked.save(update_fields=["active", "next_at"])
        _note(locked, "paused", by)


def resume(schedule: Schedule, *, by: User) -> None:
    """Fire again, from the next time on."""
    with transaction.atomic():
        locked = _locked(schedule)
        if locked.active:
            return
        locked.active, locked.next_at = True, next_time(locked, now())
        locked.save(update_fields=["active", "next_at"])
        _note(locked, "resumed", by)


def delete_schedule(schedule: Schedule, *, by: User) -> None:
    """Remove it and the list of its firings; what they made stays."""
    with transaction.atomic():
        locked = _locked(schedule)
        _note(locked, "deleted", by)
        locked.delete()


def on_timezone_changed(sender: object, organisation: Organisation, **_more: object) -> None:
    """Fire in the organisation's new time zone."""
    retime(organisation)


def retime(organisation: Organisation) -> None:
    """Compute next times anew, after the organisation's time zone changed; in the caller's transaction."""
    moment = now()
    for schedule in Schedule.objects.of(organisation).filter(active=True, when=Schedule.When.CRON):
        schedule.organisation = organisation
        Schedule.unscoped.filter(pk=schedule.pk).update(next_at=next_time(schedule, moment))


def _fill(schedule: Schedule, wish: Wish) -> None:
    name = " ".join(wish.name.split())
    if not name:
        raise BadInput("Give the schedule a name, such as: nightly audit.")
    if len(name) > 120:
        raise BadInput("The name is longer than 120 characters; shorten it.")
    if (trouble := trouble_with(name)) is not None:
        raise BadInput(f"The name {trouble}")
    if wish.when not in Schedule.When.values:
        raise BadInput(f'When is "{wish.when[:40]}"; it is one of {", ".join(Schedule.When.values)}.')
    if wish.catch_up not in Schedule.CatchUp.values:
        raise BadInput(
            f'The catch-up is "{wish.catch_up[:40]}"; it is one of {", ".join(Schedule.CatchUp.values)}.'
        )
    checked = get_trigger(schedule.trigger).check(schedule.organisation, wish.request or {})
    schedule.target_id, schedule.request = checked
    schedule.name, schedule.when, schedule.catch_up = name, wish.when, wish.catch_up
    schedule.cron = check_cron(wish.cron) if wish.when == Schedule.When.CRON else ""
    schedule.next_at = next_time(schedule, now()) if schedule.active else None


def _locked(schedule: Schedule) -> Schedule:
    rows = Schedule.unscoped.select_for_update(of=("self",)).select_related("organisation")
    found = rows.filter(pk=schedule.pk).first()
    if found is None:
        raise AssayError("Somebody deleted the schedule a moment ago.", code="conflict")
    return found


def _note(schedule: Schedule, what: str, by: User) -> None:
    record(
        schedule.organisation_id,
        f"schedule.{what}",
        "schedule",
        schedule.pk,
        actor_id=by.pk,
        facts={
            "when": schedule.when,
            "cron": schedule.cron,
            "catch_up": schedule.catch_up,
            "trigger": schedule.trigger,
            "target": str(schedule.target_id),
        },
        payload={"name": schedule.name, "request": schedule.request},
    )
