"""In a real Chromium: a remedy's page follows along by itself, and a schedule's times appear while typing."""

from __future__ import annotations

import pytest
from django.urls import reverse

from jobs.models import Shard
from remediations.models import RemedyRun, RemedyState
from remediations.services import cancel_remedy, start_remedy
from tests.browser import browser, chromium, served, sign_in
from tests.conftest import make_people
from tests.remediations.made import answered, drafted

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium is installed")


def test_pages_follow_along_without_a_reload_by_hand(committed: None) -> None:
    people = make_people()
    remedy = start_remedy(drafted(people), "training.fine_tune", by=people.engineer)
    with served() as address, browser() as chrome:
        context = chrome.new_context()
        sign_in(context, address, people.engineer)
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(address + reverse("remediations:remedy", args=[people.organisation.slug, remedy.pk]))
        assert "waiting for a worker" in page.inner_text("#progress")
        Shard.objects.filter(job=remedy.job).update(state="leased", claimable_at=4e9, doing="training")
        page.locator("#progress", has_text="training").wait_for()
        RemedyRun.unscoped.filter(pk=remedy.pk).update(state=RemedyState.RUNNING)
        page.locator("h1", has_text="making the candidate").wait_for()
        remedy.refresh_from_db()
        answered(remedy)
        page.locator("h1", has_text="let through").wait_for()
        assert page.locator("#progress").count() == 0
        assert page.locator("figure svg").count() == 3

        page.goto(address + reverse("jobs:new_schedule", args=[people.organisation.slug]))
        page.fill("#id_cron", "30 6 * * mon")
        page.locator("#times", has_text="At 06:30 on Monday").wait_for()
        assert page.locator("#times time").count() == 5
        page.fill("#id_cron", "30 6 *")
        page.locator("#times", has_text="has 3 fields").wait_for()
        assert said == []
    other = start_remedy(remedy.baseline, "training.fine_tune", by=people.engineer)
    cancel_remedy(other, by=people.engineer)
