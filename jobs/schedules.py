"""Schedules: what is done again at set times, on a new model version, on new data.

`jobs` knows no audit: a schedule names a trigger that another app registered. Every time that was due is a
Firing, unique to the moment, made in one transaction with what the trigger makes: any number of tickers, a
killed one, or a clock that is set back do nothing twice.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

from django import forms
from django.db import InterfaceError, OperationalError, transaction

from accounts.models import Organisation, User
from accounts.permissions import may
from assay.errors import AssayError, BadInput, nearest
from jobs.clock import database_seconds
from jobs.models import Firing, Schedule
from jobs.schedule_times import due_times, next_times, zone_of

__all__ = [
    "About",
    "Checked",
    "Made",
    "Trigger",
    "fire_event",
    "fire_now",
    "get_trigger",
    "next_time",
    "now",
    "register_trigger",
    "tick",
    "triggers",
]

_log = logging.getLogger(__name__)
GRACE = timedelta(minutes=10)
"""A time is missed when no worker looked for that long; a restart is no downtime."""
MOST_CAUGHT_UP = 24
"""Missed times that the policy `all` runs, at most."""


@dataclass(frozen=True)
class About:
    """A schedule's subject as lists show it."""

    what: str
    """ "Audit of scorer on the latest loans, policy Credit, quick" """
    target: str
    url: str = ""


class Checked(NamedTuple):
    """A request that can be done."""

    target: uuid.UUID
    """The row that it is about."""
    request: dict[str, Any]


@dataclass(frozen=True)
class Made:
    """What a firing made, as it stands now."""

    title: str
    url: str
    look: str
    """pass, warn, fail, none"""
    word: str


class Trigger(Protocol):
    """What a schedule does when it is due. Registered by the app that can do it."""

    title: str
    """As a choice: "Audit a model"."""

    def form(self, organisation: Organisation, data: Any = None, initial: Any = None) -> forms.Form:
        """The form of the trigger's own request; fields that `request_of` reads."""
        ...

    def request_of(self, form: Any) -> dict[str, Any]:
        """The request of a valid form, as JSON."""
        ...

    def check(self, organisation: Organisation, request: Mapping[str, Any]) -> Checked:
        """What the request is about, and the request in the one spelling that is kept. Raises BadInput: it
        cannot be done."""
        ...

    def fire(self, schedule: Schedule, *, by: User, cause: uuid.UUID | None) -> uuid.UUID:
        """Do it, inside the transaction that notes the firing; returns the id of what was made.

        Args:
            cause: the version that arrived, of a schedule that waits for one.

        Raises:
            AssayError: why it cannot be done now, for the schedule's page.
        """
        ...

    def about(self, organisation: Organisation, schedules: Sequence[Schedule]) -> Mapping[uuid.UUID, About]:
        """By schedule's id, with a fixed number of queries."""
        ...

    def made(self, organisation: Organisation, ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Made]:
        """By made id, with a fixed number of queries."""
        ...


_TRIGGERS: dict[str, Trigger] = {}


def register_trigger(name: str, trigger: Trigger) -> None:
    """Make a trigger known; called once each from an app's `ready`."""
    if name in _TRIGGERS and type(_TRIGGERS[name]) is not type(trigger):
        raise ValueError(f"There are two triggers named {name}.")
    _TRIGGERS[name] = trigger


def get_trigger(name: str) -> Trigger:
    """Raises BadInput for a name that is not registered."""
    if name not in _TRIGGERS:
        close = nearest(name, _TRIGGERS) or ", ".join(f'"{known}"' for known in _TRIGGERS)
        raise BadInput(f'There is no trigger "{name[:40]}"; there is {close}.')
    return _TRIGGERS[name]


def triggers() -> Mapping[str, Trigger]:
    return dict(_TRIGGERS)


def now() -> datetime:
    """By the database's clock, so that machines whose clocks differ agree."""
    return datetime.fromtimestamp(database_seconds(), UTC)


def next_time(schedule: Schedule, after: datetime) -> datetime | None:
    """When a cron schedule is due next; None for the others."""
    if schedule.when != Schedule.When.CRON:
        return None
    return next(iter(next_times(schedule.cron, zone_of(schedule.organisation.timezone), after)), None)


def tick(at: datetime | None = None) -> int:
    """Fire what is due; returns how many firings were noted. Called every few seconds by each worker."""
    moment = at or now()
    due = Schedule.unscoped.filter(active=True, when=Schedule.When.CRON, next_at__lte=moment)
    count = 0
    for key in due.order_by("next_at").values_list("pk", flat=True)[:200]:
        try:
            count += _fire_due(key, moment)
        except (OperationalError, InterfaceError):
            raise  # the database is away: the next tick finds the same schedules
        except Exception:  # one that cannot be read must not keep those of others waiting behind it
            _log.exception("Schedule %s could not be looked at", key)
    return count


def fire_event(schedule: Schedule, cause: uuid.UUID) -> Firing | None:
    """Fire a schedule that waits for versions, once for each version; part of the caller's transaction."""
    with transaction.atomic():
        locked = _locked(schedule.pk)
        if locked is None or not locked.active or locked.firings.filter(cause=cause).exists():
            return None
        return _fire(locked, _free_moment(locked), by=locked.created_by, cause=cause)


def fire_now(schedule: Schedule, *, by: User, seen: int) -> Firing:
    """Fire at once, whatever the times are.

    Args:
        seen: id of the latest firing that the person saw (0 = none): a form sent twice fires once.

    Raises:
        AssayError (conflict): it fired since.
    """
    with transaction.atomic():
        locked = _locked(schedule.pk)
        if locked is None:
            raise BadInput("The schedule is no longer there.")
        last = locked.firings.order_by("-pk").values_list("pk", flat=True).first() or 0
        if last != seen:
            raise AssayError(f"{locked} was started a moment ago; see its latest line.", code="conflict")
        made = _fire(locked, _free_moment(locked), by=by, reason=f"Started by hand by {by}.")
        assert made is not None
        return made


def _fire_due(key: uuid.UUID, at: datetime) -> int:
    with transaction.atomic():
        schedule = _locked(key)
        if schedule is None or not schedule.active or schedule.next_at is None or schedule.next_at > at:
            return 0  # another ticker was faster
        zone = zone_of(schedule.organisation.timezone)
        due = due_times(schedule.cron, zone, schedule.next_at, at, MOST_CAUGHT_UP + 1)
        schedule.next_at = next_time(schedule, at)
        schedule.save(update_fields=["next_at"])
        count = 0
        for time, reason, skip in _with_policy(schedule, due.times, due.total, at):
            if skip:
                Firing.objects.get_or_create(
                    schedule=schedule, fire_at=time, defaults={"state": "skipped", "reason": reason}
                )
            else:
                count += _fire(schedule, time, by=schedule.created_by, reason=reason) is not None
    return count


def _with_policy(
    schedule: Schedule, times: Sequence[datetime], total: int, at: datetime
) -> list[tuple[datetime, str, bool]]:
    """(time, reason, whether it is skipped) of what is to be noted."""
    on_time = at - times[-1] <= GRACE
    missed = total - on_time
    if schedule.catch_up == Schedule.CatchUp.ALL:
        kept = times[-MOST_CAUGHT_UP:]
        noted = [(time, "" if at - time <= GRACE else "Was missed; caught up.", False) for time in kept]
        if total > len(kept):
            left = f"Only the latest {len(kept)} of {total:,} times are run."
            noted.insert(0, (times[-len(kept) - 1], left, True))
        return noted
    if not missed:
        return [(times[-1], "", False)]
    were = "1 time was" if missed == 1 else f"{missed:,} times were"
    if schedule.catch_up == Schedule.CatchUp.ONCE:
        if missed == 1 and not on_time:
            return [(times[-1], "Was missed while no worker ran; caught up.", False)]
        them = "1 time that was" if missed == 1 else f"{missed:,} times that were"
        stands = "Stands for" if not on_time else "Also stands for"
        return [(times[-1], f"{stands} {them} missed while no worker ran.", False)]
    noted = [(times[-1], "", False)] if on_time else []
    if len(times) > on_time:
        noted.insert(0, (times[-1 - on_time], f"{were} missed while no worker ran, and skipped.", True))
    return noted


def _fire(
    schedule: Schedule,
    fire_at: datetime,
    *,
    by: User,
    cause: uuid.UUID | None = None,
    reason: str = "",
) -> Firing | None:
    """Note the firing and do what it is for; None where it was noted before."""
    firing, made = Firing.objects.get_or_create(
        schedule=schedule, fire_at=fire_at, defaults={"cause": cause, "reason": reason}
    )
    if not made:
        return None
    try:
        if not may(by, "schedule", schedule.organisation):
            raise BadInput(f"{by} may not schedule here any more. Whoever edits the schedule takes it over.")
        with transaction.atomic():
            firing.made_id = get_trigger(schedule.trigger).fire(schedule, by=by, cause=cause)
    except Exception as error:
        if not isinstance(error, AssayError):
            _log.exception("Schedule %s could not be fired", schedule.pk)
        why = error.message if isinstance(error, AssayError) else f"{type(error).__name__}: {error}"[:500]
        firing.state, firing.reason = "failed", f"{reason} {why}".strip()
    firing.save()
    return firing


def _locked(key: uuid.UUID) -> Schedule | None:
    found = Schedule.unscoped.select_for_update(of=("self",))
    return found.select_related("organisation", "created_by").filter(pk=key).first()


def _free_moment(schedule: Schedule) -> datetime:
    """Now, or the first moment after it that has no firing; the schedule is locked."""
    moment = now()
    while schedule.firings.filter(fire_at=moment).exists():
        moment += timedelta(microseconds=1)
    return moment
