"""In a real Chromium: an audit is planned, started and followed to its end, with and without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest

from audits.models import Run
from audits.services import draft_run
from tests import factory
from tests.browser import browser, chromium, served, sign_in
from tests.conftest import People, make_people

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_an_audit_is_followed_to_its_end(committed: None, script: bool) -> None:
    people = make_people()
    system = factory.system(people)
    model = factory.predictions_version(system, people.engineer)
    factory.data_version(system, people.engineer)
    with served() as address, browser() as chrome:
        context = chrome.new_context(base_url=address, java_script_enabled=script)
        sign_in(context, address, people.engineer)
        page = context.new_page()
        page.set_default_timeout(60_000)
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))

        page.goto(f"/o/{people.organisation.slug}/audits/new/?model_version={model.pk}")
        page.get_by_label("Policy").select_option("pack:general")
        page.get_by_label("Quick").check()
        page.get_by_role("button", name="Read and plan").click()
        page.get_by_role("heading", name="are being read").wait_for()
        factory.run_jobs()

        # nobody reloads: the page finds out by itself
        start = page.get_by_role("button", name="Start audit 1")
        start.wait_for()
        page.get_by_label("Rates by group").uncheck()
        page.get_by_text("Parameters of Classification performance").click()
        page.get_by_label("Level").first.fill("0.9")
        if script:
            assert start.is_disabled()
            assert page.get_by_text("Update the plan first").is_visible()
        else:
            start.click()
            page.get_by_text("The audit was not started").wait_for()
            said.clear()  # the browser notes the answer's 400
        page.get_by_role("button", name="Update the plan").click()
        page.get_by_text("The plan was changed").wait_for()
        start.click()
        running = page.get_by_role("heading", name="Audit 1 is running")
        running.wait_for()
        factory.run_jobs()
        running.wait_for(state="detached")
        assert page.url.endswith(f"/audits/{run_of(people).pk}/")
        assert said == []
    run = run_of(people)
    assert run.state == "done"
    assert "fairness.group_rates" not in [m["id"] for m in (run.plan or {})["methods"]]
    assert run.params == {"performance.classification": {"level": 0.9}}


def test_polling_moves_the_bar_and_asks_for_nothing_that_did_not_move(committed: None) -> None:
    from jobs.worker import Slot

    people = make_people()
    system = factory.system(people)
    run = draft_run(
        factory.predictions_version(system, people.engineer),
        factory.data_version(system, people.engineer),
        by=people.engineer,
        tier="quick",
        start_when_ready=True,
    )
    slot = Slot(["cpu"])
    slot.work(limit=3)
    with served() as address, browser() as chrome:
        context = chrome.new_context(base_url=address)
        sign_in(context, address, people.auditor)
        page = context.new_page()
        answers: list[Any] = []
        page.on("response", lambda r: answers.append(r.status) if r.url.endswith("/progress/") else None)
        page.goto(f"/o/{people.organisation.slug}/audits/{run.pk}/")
        bar = page.get_by_role("progressbar")
        before = int(bar.get_attribute("value"))
        with page.expect_response("**/progress/"):
            pass
        slot.work(limit=2)
        slot.close()
        page.locator(f'progress:not([value="{before}"])').wait_for(timeout=60_000)
        assert int(bar.get_attribute("value")) > before
        assert set(answers) <= {200, 304}


def run_of(people: People) -> Run:
    found: Run = Run.objects.of(people.organisation).get()
    return found
