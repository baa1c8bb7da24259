"""Pages of schedules: who may do what, what is shown, and that nothing typed is lost or run as markup."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from audits.models import Run
from jobs.models import Schedule
from jobs.schedule_services import Wish, create_schedule, pause
from jobs.schedules import fire_now, now, tick
from tests import factory
from tests.conftest import People
from trail.models import TrailEntry

SignIn = Callable[[User], Client]
EVIL = "<script>alert(1)</script>"


def request_for(people: People) -> dict[str, Any]:
    system = factory.system(people, f"System {uuid.uuid4().hex[:6]}")
    factory.predictions_version(system, people.engineer)
    data = factory.data_version(system, people.engineer, rows=40)
    return {
        "model": str(system.models.get().pk),
        "dataset": str(data.dataset_id),
        "policy": "",
        "tier": "quick",
    }


def make(people: People, name: str = "nightly", **more: Any) -> Schedule:
    asked = {**request_for(people), "policy": None}
    wish = {"name": name, "trigger": "audit", "cron": "0 3 * * *", "request": asked, **more}
    return create_schedule(people.organisation, Wish(**wish), by=people.engineer)


def url(people: People, name: str, *more: Any) -> str:
    return reverse(f"jobs:{name}", args=[people.organisation.slug, *more])


def form(people: People, **change: Any) -> dict[str, Any]:
    return {
        "key": str(uuid.uuid4()),
        "name": "nightly",
        "when": "cron",
        "cron": "0 3 * * *",
        "catch_up": "once",
        "trigger": "audit",
        **request_for(people),
        **change,
    }


def test_an_empty_list_says_what_to_do(people: People, as_user: SignIn) -> None:
    page = as_user(people.engineer).get(url(people, "schedules")).content.decode()
    assert "Nothing is scheduled" in page
    assert url(people, "new_schedule") in page
    assert (
        url(people, "new_schedule")
        not in as_user(people.auditor).get(url(people, "schedules")).content.decode()
    )


def test_a_schedule_is_made_and_shows_its_next_five_times(people: People, as_user: SignIn) -> None:
    client = as_user(people.operator)
    opened = client.get(url(people, "new_schedule")).content.decode()
    assert "At 03:00 every day" in opened
    answer = client.post(url(people, "new_schedule"), form(people), follow=True)
    schedule = Schedule.objects.of(people.organisation).get()
    assert answer.redirect_chain[-1][0] == url(people, "schedule", schedule.pk)
    page = answer.content.decode()
    assert page.count("<time datetime") == 5
    assert "Quick audit of scorer on the latest loans" in page
    assert "Run now" in page
    assert TrailEntry.objects.filter(target_id=schedule.pk, action="schedule.created").count() == 1


def test_a_form_sent_twice_makes_one(people: People, as_user: SignIn) -> None:
    client, values = as_user(people.engineer), form(people)
    first, second = (client.post(url(people, "new_schedule"), values) for _ in range(2))
    assert first.status_code == second.status_code == 302
    assert first["Location"] == second["Location"]
    assert Schedule.objects.of(people.organisation).count() == 1


def test_a_bad_expression_is_told_at_its_field_and_what_was_typed_stays(
    people: People, as_user: SignIn
) -> None:
    values = form(people, cron=f"61 {EVIL} * * *", name=EVIL)
    page = as_user(people.engineer).post(url(people, "new_schedule"), values).content.decode()
    assert "cannot be read" in page
    assert "such as &quot;0 3 * * mon&quot;" in page
    assert EVIL not in page
    assert 'value="&lt;script&gt;alert(1)&lt;/script&gt;"' in page
    assert not Schedule.objects.of(people.organisation).exists()


def test_the_times_are_shown_while_typing(people: People, as_user: SignIn) -> None:
    client = as_user(people.engineer)
    people.organisation.timezone = "Asia/Tokyo"
    people.organisation.save()
    shown = client.get(url(people, "schedule_times"), {"cron": "30 6 * * *"}).content.decode()
    assert shown.count("06:30</time>") == 5
    assert "Asia/Tokyo" in shown
    assert "has 1 fields" in client.get(url(people, "schedule_times"), {"cron": "x"}).content.decode()
    # Without a script: a button that saves nothing.
    page = client.post(url(people, "new_schedule"), form(people, cron="5 4 * * *", preview="1"))
    assert "04:05</time>" in page.content.decode()
    assert not Schedule.objects.of(people.organisation).exists()


def test_data_of_another_system_or_organisation_is_refused(people: People, as_user: SignIn) -> None:
    client = as_user(people.engineer)
    other = request_for(people)["dataset"]
    page = client.post(url(people, "new_schedule"), form(people, dataset=other)).content.decode()
    assert "choose data of" in page
    foreign = people._replace(organisation=people.elsewhere, engineer=people.outsider, owner=people.outsider)
    page = client.post(url(people, "new_schedule"), form(people, **request_for(foreign))).content.decode()
    assert page.count("Select a valid choice") == 2


def test_failures_are_on_the_list_and_on_the_page(people: People, as_user: SignIn) -> None:
    make(people, "all well")
    schedule = make(people, "no version yet")
    from models_registry.models import ModelVersion

    ModelVersion.unscoped.filter(model_id=schedule.request["model"]).update(state="waiting")
    Schedule.unscoped.filter(pk=schedule.pk).update(next_at=now() - timedelta(seconds=3))
    tick()
    client = as_user(people.auditor)
    listed = client.get(url(people, "schedules")).content.decode()
    assert "1 schedule could not start the last time" in listed
    assert listed.index("no version yet") < listed.index("all well")
    for page in (listed, client.get(url(people, "schedule", schedule.pk)).content.decode()):
        assert "Could not start" in page
        assert "The model has no version that is ready" in page


def test_run_now_starts_an_audit_in_the_name_of_who_asked(people: People, as_user: SignIn) -> None:
    schedule = make(people)
    client = as_user(people.operator)
    for seen in ("0", "0", "9" * 5_000):  # a doubled click, and nonsense
        page = client.post(url(people, "run_schedule", schedule.pk), {"seen": seen}, follow=True)
    assert "was started a moment ago" in page.content.decode()
    run = Run.objects.of(people.organisation).get()
    assert (run.trigger, run.created_by, run.start_when_ready) == ("schedule", people.operator, True)
    assert str(run) in page.content.decode()


def test_it_is_edited_paused_resumed_and_deleted_after_a_question(people: People, as_user: SignIn) -> None:
    schedule = make(people)
    client = as_user(people.engineer)
    opened = client.get(url(people, "edit_schedule", schedule.pk)).content.decode()
    assert 'value="0 3 * * *"' in opened
    changed = form(people, **{**schedule.request, "policy": ""}, name="weekly", cron="0 3 * * mon")
    client.post(url(people, "edit_schedule", schedule.pk), changed)
    for to, active in (("pause", False), ("resume", True)):
        client.post(url(people, "switch_schedule", schedule.pk), {"to": to})
        schedule.refresh_from_db()
        assert (schedule.name, schedule.active) == ("weekly", active)
    asked = client.get(url(people, "delete_schedule", schedule.pk)).content.decode()
    assert "pause it instead" in asked
    client.post(url(people, "delete_schedule", schedule.pk))
    assert not Schedule.objects.of(people.organisation).exists()


@pytest.mark.parametrize(
    ("name", "method", "allowed"),
    [
        ("schedules", "get", {"owner", "engineer", "reviewer", "auditor", "operator"}),
        ("schedule", "get", {"owner", "engineer", "reviewer", "auditor", "operator"}),
        ("new_schedule", "get", {"owner", "engineer", "operator"}),
        ("schedule_times", "get", {"owner", "engineer", "operator"}),
        ("edit_schedule", "get", {"owner", "engineer", "operator"}),
        ("delete_schedule", "get", {"owner", "engineer", "operator"}),
        ("switch_schedule", "post", {"owner", "engineer", "operator"}),
        ("run_schedule", "post", {"owner", "engineer", "operator"}),
    ],
)
def test_roles(people: People, as_user: SignIn, name: str, method: str, allowed: set[str]) -> None:
    schedule = make(people)
    one = name in ("schedule", "edit_schedule", "delete_schedule", "switch_schedule", "run_schedule")
    place = url(people, name, *([schedule.pk] if one else []))
    for role in ("owner", "engineer", "reviewer", "auditor", "operator"):
        status = getattr(as_user(getattr(people, role)), method)(place).status_code
        assert status == ((200 if method == "get" else 302) if role in allowed else 403), role
    assert getattr(as_user(people.outsider), method)(place).status_code == 404
    assert getattr(Client(), method)(place).status_code == 302
    if one:
        elsewhere = place.replace(people.organisation.slug, people.elsewhere.slug)
        assert getattr(as_user(people.outsider), method)(elsewhere).status_code == 404


def test_markup_in_names_is_shown_as_text(people: People, as_user: SignIn) -> None:
    schedule = make(people, EVIL)
    fire_now(schedule, by=people.engineer, seen=0)
    pause(schedule, by=people.engineer)
    client = as_user(people.owner)
    for name in ("schedules", "schedule", "edit_schedule", "delete_schedule"):
        page = client.get(url(people, name, *([] if name == "schedules" else [schedule.pk]))).content.decode()
        assert EVIL not in page
        assert "&lt;script&gt;" in page


def test_a_longer_list_takes_no_more_queries(people: People, as_user: SignIn) -> None:
    client = as_user(people.engineer)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as counted:
            assert client.get(url(people, "schedules")).status_code == 200
        return len(counted)

    fire_now(make(people, "a"), by=people.engineer, seen=0)
    first = queries()
    for name in "bcd":
        fire_now(make(people, name), by=people.engineer, seen=0)
    assert queries() == first
