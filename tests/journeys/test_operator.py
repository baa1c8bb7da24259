"""An operator: what runs, what failed and why, what comes next, and what was decided."""

from __future__ import annotations

from typing import Any

from audits.models import Run
from audits.services import draft_run
from jobs.models import Job, Schedule
from tests import factory
from tests.browser import press
from tests.conftest import People
from tests.journeys.conftest import Desk, sign_in_by_form


def test_jobs_are_watched_and_stopped_schedules_made_and_the_trail_knows(desk: Desk, staff: People) -> None:
    bad, waiting = _one_that_fails_and_one_that_waits(staff)
    page = desk.page(None)
    page.goto("/")
    sign_in_by_form(page, staff.operator)

    page.get_by_role("link", name="Jobs", exact=True).click()
    queues = page.get_by_role("region", name="Queues")
    assert queues.get_by_role("row", name="cpu").is_visible()
    page.get_by_role("link", name="failed or stayed incomplete").click()
    page.get_by_text(bad.subject.refusal[:60]).first.wait_for()
    page.get_by_role("region", name="All jobs").get_by_role("link").first.click()
    page.get_by_role("heading", name="What happened").wait_for()

    page.get_by_role("link", name="Jobs").first.click()
    page.get_by_role("link", name="Audit", exact=True).click()
    page.get_by_role("link", name="Cancel…").click()
    page.get_by_role("button", name="Cancel the job").click()
    page.get_by_text("Cancelled").first.wait_for()
    assert Job.unscoped.get(pk=waiting.job_id).state in {"cancelling", "cancelled"}

    _schedule(page)
    schedule = Schedule.objects.of(staff.organisation).get()
    assert (schedule.name, schedule.cron, schedule.created_by) == ("Nightly", "30 2 * * *", staff.operator)
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("Paused: nothing starts").wait_for()
    page.get_by_role("link", name="Schedules").first.click()
    page.get_by_role("row", name="Nightly").get_by_text("Paused").wait_for()

    page.get_by_role("link", name="Trail", exact=True).click()
    page.get_by_label("Who").select_option(label=staff.operator.name)
    press(page, "Filter")
    assert page.get_by_role("row").count() == 4, "head, cancelled, scheduled, paused"
    page.get_by_role("button", name="Check the chain").click()
    page.get_by_text("The chain holds").wait_for()
    assert desk.complaints == []


def _one_that_fails_and_one_that_waits(people: People) -> tuple[Run, Run]:
    system = factory.system(people)
    model = factory.predictions_version(system, people.engineer)
    bad = factory.data_version(system, people.engineer, rows=50, label="defaulted")
    refused = draft_run(model, bad, by=people.engineer)
    factory.run_jobs()
    good = factory.data_version(system, people.engineer)
    first = draft_run(model, good, by=people.engineer)
    factory.run_jobs()
    waiting = draft_run(model, good, by=people.engineer, start_when_ready=True)
    for run in (first, refused, waiting):
        run.refresh_from_db()
    refused.subject.refresh_from_db()
    return refused, waiting


def _schedule(page: Any) -> None:
    page.get_by_role("link", name="Schedules").first.click()
    page.get_by_role("link", name="New schedule").click()
    page.get_by_label("Name").fill("Nightly")
    page.get_by_label("Model", exact=True).select_option(index=1)
    page.get_by_label("Data", exact=True).select_option(index=1)
    with page.expect_response("**/times/**"):
        page.get_by_label("Times (cron)").press_sequentially(" ")
        page.get_by_label("Times (cron)").fill("30 2 * * *")
    page.get_by_text("At 02:30 every day").wait_for()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="Next times").wait_for()
