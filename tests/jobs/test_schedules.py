"""Schedules fire once for each time, whoever ticks, whatever the clock does; failures are kept to be seen."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django import forms
from django.db import connection

from accounts.models import Membership, Organisation, User
from assay.errors import AssayError, BadInput
from jobs import schedules, ticker
from jobs.models import Firing, Schedule
from jobs.schedule_services import (
    Wish,
    create_schedule,
    delete_schedule,
    edit_schedule,
    pause,
    resume,
    retime,
)
from jobs.schedules import fire_event, fire_now, tick
from tests.conftest import People, make_people
from trail.models import TrailEntry


class Recording:
    """A trigger that notes when it was fired, and refuses where it is told to."""

    title = "Write it down"

    def __init__(self) -> None:
        self.fired: list[uuid.UUID] = []
        self.refuse = ""

    def form(self, organisation: Organisation, data: Any = None, initial: Any = None) -> forms.Form:
        return forms.Form(data, initial=initial)

    def request_of(self, form: Any) -> dict[str, Any]:
        return {}

    def check(self, organisation: Organisation, request: Mapping[str, Any]) -> schedules.Checked:
        return schedules.Checked(organisation.pk, dict(request))

    def fire(self, schedule: Schedule, *, by: User, cause: uuid.UUID | None) -> uuid.UUID:
        if self.refuse == "crash":
            raise RuntimeError("It broke.")
        if self.refuse:
            raise BadInput(self.refuse)
        made = uuid.uuid4()
        self.fired.append(made)
        return made

    def about(
        self, organisation: Organisation, found: Sequence[Schedule]
    ) -> Mapping[uuid.UUID, schedules.About]:
        return {s.pk: schedules.About("Writes it down", "") for s in found}

    def made(
        self, organisation: Organisation, ids: Sequence[uuid.UUID]
    ) -> Mapping[uuid.UUID, schedules.Made]:
        return {}


@pytest.fixture
def trigger(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Recording:
    """The only one whose schedules are due: those that other tests left rest."""
    request.getfixturevalue("committed" if "committed" in request.fixturenames else "db")
    Schedule.unscoped.update(active=False, next_at=None)
    made = Recording()
    monkeypatch.setitem(schedules._TRIGGERS, "recording", made)
    return made


def nightly(people: People, **more: Any) -> Schedule:
    wish = {"name": "nightly", "trigger": "recording", "cron": "0 3 * * *", **more}
    return create_schedule(people.organisation, Wish(**wish), by=people.engineer)


def due_at(schedule: Schedule, text: str) -> datetime:
    """Pretend that the schedule waits for that time."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    Schedule.unscoped.filter(pk=schedule.pk).update(next_at=moment)
    return moment


def told(schedule: Schedule) -> list[tuple[str, str]]:
    return [(f"{f.fire_at:%d %H:%M}", f.state) for f in schedule.firings.order_by("fire_at")]


def test_a_time_is_fired_when_it_has_come_and_once(people: People, trigger: Recording) -> None:
    schedule = nightly(people)
    moment = due_at(schedule, "2026-11-02 03:00")
    assert tick(moment - timedelta(seconds=1)) == 0
    assert tick(moment + timedelta(seconds=4)) == 1
    assert tick(moment + timedelta(seconds=9)) == 0
    schedule.refresh_from_db()
    assert schedule.next_at == moment + timedelta(days=1)
    firing = schedule.firings.get()
    assert (firing.fire_at, firing.state, firing.reason) == (moment, "started", "")
    assert [firing.made_id] == trigger.fired


def test_a_clock_that_is_set_back_fires_nothing_twice(people: People, trigger: Recording) -> None:
    schedule = nightly(people)
    moment = due_at(schedule, "2026-11-02 03:00")
    tick(moment)
    assert tick(moment - timedelta(hours=1)) == 0
    # Even where the next time is computed anew on the day before.
    due_at(schedule, "2026-11-02 03:00")
    assert tick(moment + timedelta(seconds=5)) == 0
    assert len(trigger.fired) == 1


@pytest.mark.parametrize(
    ("policy", "fired", "lines"),
    [
        ("skip", 1, [("04 03:00", "skipped"), ("05 03:00", "started")]),
        ("once", 1, [("05 03:00", "started")]),
        ("all", 4, [(f"0{day} 03:00", "started") for day in (2, 3, 4, 5)]),
    ],
)
def test_what_was_missed_is_caught_up_as_the_schedule_says(
    people: People, trigger: Recording, policy: str, fired: int, lines: list[tuple[str, str]]
) -> None:
    schedule = nightly(people, catch_up=policy)
    due_at(schedule, "2026-11-02 03:00")
    now = datetime(2026, 11, 5, 3, 0, 5, tzinfo=UTC)
    assert tick(now) == fired == len(trigger.fired)
    assert told(schedule) == lines
    assert tick(now + timedelta(minutes=1)) == 0
    reasons = " ".join(schedule.firings.values_list("reason", flat=True))
    assert ("3 times" in reasons) == (policy != "all")


def test_skipping_starts_nothing_when_the_worker_comes_back_later(people: People, trigger: Recording) -> None:
    schedule = nightly(people, catch_up="skip")
    due_at(schedule, "2026-11-02 03:00")
    assert tick(datetime(2026, 11, 2, 9, tzinfo=UTC)) == 0
    assert told(schedule) == [("02 03:00", "skipped")]
    assert schedule.firings.get().reason == "1 time was missed while no worker ran, and skipped."


def test_catching_up_is_bounded(people: People, trigger: Recording) -> None:
    schedule = nightly(people, catch_up="all", cron="* * * * *")
    due_at(schedule, "2026-01-01 00:00")
    assert tick(datetime(2026, 11, 2, 9, tzinfo=UTC)) == schedules.MOST_CAUGHT_UP
    skipped = schedule.firings.get(state="skipped")
    assert skipped.reason == "Only the latest 24 of 50,000 times are run."


def test_two_tickers_at_once_fire_once(committed: None, trigger: Recording) -> None:
    schedule = nightly(make_people())
    moment = due_at(schedule, "2026-11-02 03:00")
    both = threading.Barrier(2)
    counts: list[int] = []

    def ticker_thread() -> None:
        both.wait()
        counts.append(tick(moment + timedelta(seconds=1)))
        connection.close()

    threads = [threading.Thread(target=ticker_thread) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [0, 1]
    assert len(trigger.fired) == schedule.firings.count() == 1
    pause(schedule, by=schedule.created_by)


@pytest.mark.parametrize(
    ("refuse", "reason"),
    [("The model has no version.", "The model has no version."), ("crash", "RuntimeError: It broke.")],
)
def test_a_firing_that_fails_is_kept_with_its_reason_and_the_schedule_goes_on(
    people: People, trigger: Recording, refuse: str, reason: str
) -> None:
    schedule = nightly(people)
    moment = due_at(schedule, "2026-11-02 03:00")
    trigger.refuse = refuse
    tick(moment)
    firing = schedule.firings.get()
    assert (firing.state, firing.reason, firing.made_id) == ("failed", reason, None)
    trigger.refuse = ""
    assert tick(moment + timedelta(days=1)) == 1
    assert [state for _time, state in told(schedule)] == ["failed", "started"]


def test_nothing_runs_for_somebody_who_left_until_the_schedule_is_taken_over(
    people: People, trigger: Recording
) -> None:
    schedule = nightly(people)
    Membership.objects.of(people.organisation).filter(user=people.engineer).delete()
    moment = due_at(schedule, "2026-11-02 03:00")
    tick(moment)
    assert "may not schedule here any more" in schedule.firings.get().reason
    edit_schedule(schedule, Wish("nightly", "recording", cron="0 3 * * *"), by=people.operator)
    due_at(schedule, "2026-11-03 03:00")
    assert tick(moment + timedelta(days=1)) == 1


def test_a_paused_schedule_rests_and_goes_on_from_the_next_time(people: People, trigger: Recording) -> None:
    schedule = nightly(people)
    pause(schedule, by=people.engineer)
    pause(schedule, by=people.engineer)
    schedule.refresh_from_db()
    assert (schedule.active, schedule.next_at) == (False, None)
    assert tick(datetime(2099, 1, 1, tzinfo=UTC)) == 0
    resume(schedule, by=people.engineer)
    schedule.refresh_from_db()
    assert schedule.next_at is not None
    assert schedule.next_at > schedules.now()
    delete_schedule(schedule, by=people.owner)
    assert not Schedule.objects.of(people.organisation).exists()
    recorded = TrailEntry.objects.filter(target_id=schedule.pk).order_by("sequence")
    assert list(recorded.values_list("action", flat=True)) == [
        *("schedule.created", "schedule.paused", "schedule.resumed", "schedule.deleted")
    ]
    with pytest.raises(AssayError, match="deleted the schedule a moment ago"):
        pause(schedule, by=people.engineer)


def test_a_version_that_arrives_fires_once(people: People, trigger: Recording) -> None:
    schedule = nightly(people, when="new_version", cron="")
    assert schedule.next_at is None
    cause = uuid.uuid4()
    assert fire_event(schedule, cause) is not None
    assert fire_event(schedule, cause) is None
    assert fire_event(schedule, uuid.uuid4()) is not None
    assert len(trigger.fired) == 2


def test_started_by_hand_twice_by_a_doubled_click_runs_once(people: People, trigger: Recording) -> None:
    schedule = nightly(people)
    firing = fire_now(schedule, by=people.operator, seen=0)
    with pytest.raises(AssayError, match="a moment ago") as caught:
        fire_now(schedule, by=people.operator, seen=0)
    assert caught.value.code == "conflict"
    assert fire_now(schedule, by=people.operator, seen=firing.pk).pk > firing.pk
    assert len(trigger.fired) == 2


def test_a_form_sent_twice_makes_one_schedule(people: People, trigger: Recording) -> None:
    key = uuid.uuid4()
    wish = Wish("nightly", "recording", cron="0 3 * * *")
    made = [create_schedule(people.organisation, wish, by=people.engineer, key=key) for _ in range(2)]
    assert made[0].pk == made[1].pk == key
    with pytest.raises(BadInput, match="used before"):
        create_schedule(people.elsewhere, wish, by=people.outsider, key=key)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "  "}, "Give the schedule a name"),
        ({"name": "n" * 121}, "longer than 120"),
        ({"when": "sometimes"}, 'When is "sometimes"'),
        ({"catch_up": "maybe"}, 'The catch-up is "maybe"'),
        ({"cron": "99 * * * *"}, "The minute of"),
        ({"trigger": "recordin"}, 'There is no trigger "recordin"; there is "recording"'),
    ],
)
def test_a_schedule_that_cannot_be_is_answered_in_one_sentence(
    people: People, trigger: Recording, change: dict[str, str], sentence: str
) -> None:
    with pytest.raises(BadInput) as caught:
        nightly(people, **change)
    assert sentence in caught.value.message
    assert not Firing.objects.filter(schedule__organisation=people.organisation).exists()


def test_another_time_zone_moves_the_next_time(people: People, trigger: Recording) -> None:
    schedule = nightly(people)
    assert schedule.next_at is not None
    people.organisation.timezone = "Asia/Tokyo"
    people.organisation.save()
    retime(people.organisation)
    schedule.refresh_from_db()
    assert (schedule.next_at.hour, schedule.next_at.minute) == (18, 0)


def test_workers_tick_the_schedules(people: People, trigger: Recording) -> None:
    schedule = nightly(people)
    due_at(schedule, "2026-11-02 03:00")
    assert tick in ticker.TICKS
    ticker.tick()
    assert len(trigger.fired) == 1


def test_a_schedule_that_cannot_be_read_keeps_no_other_waiting(
    people: People, trigger: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = nightly(people, name="broken"), nightly(people, name="sound")
    Schedule.unscoped.filter(pk=broken.pk).update(cron="of an older version")
    due_at(broken, "2026-11-01 03:00")
    moment = due_at(sound, "2026-11-02 03:00")
    assert tick(moment) == 1
    assert told(sound) == [("02 03:00", "started")]
    assert str(broken.pk) in caplog.text
