"""Pages that follow by themselves, in a real Chromium: neither focus nor a sideways scroll is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from audits.services import draft_run
from jobs.worker import Slot
from tests import factory
from tests.browser import browser, chromium, served, sign_in
from tests.conftest import People, make_people
from tests.models_registry.registered import Registered

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")
_COUNT = "window.swaps = 0; document.addEventListener('htmx:afterSwap', () => { window.swaps += 1; })"


@pytest.fixture
def people(committed: None) -> People:
    return make_people()


@pytest.fixture
def page(people: People) -> Iterator[Any]:
    with served() as address, browser() as chrome:
        context = chrome.new_context(base_url=address, viewport={"width": 360, "height": 640})
        sign_in(context, address, people.engineer)
        yield context.new_page()


def polled(page: Any, ending: str, times: int) -> None:
    for _ in range(times):
        with page.expect_response(lambda answer: answer.url.split("?")[0].endswith(ending)):
            pass
    page.wait_for_timeout(300)  # htmx settles after the answer


def test_focus_stays_and_the_same_text_is_not_exchanged(people: People, page: Any) -> None:
    made = Registered(people)
    page.goto(made.url("model_version", made.version))
    page.evaluate(_COUNT)
    page.locator("#reading-job").focus()
    polled(page, "/state/", 3)
    assert page.evaluate("document.activeElement.id") == "reading-job"
    assert page.evaluate("window.swaps") <= 1


def test_a_table_stays_where_it_was_scrolled_to(people: People, page: Any) -> None:
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
    slot.close()
    page.goto(f"/o/{people.organisation.slug}/audits/{run.pk}/")
    page.evaluate(_COUNT)
    page.evaluate("document.styleSheets[0].insertRule('#measured table { width: 900px }')")
    page.locator("#measured").focus()
    page.evaluate("document.querySelector('#measured').scrollLeft = 40")
    polled(page, "/progress/", 3)
    assert page.evaluate("window.swaps") >= 1
    assert page.evaluate("document.querySelector('#measured').scrollLeft") == 40
    assert page.evaluate("document.activeElement.id") == "measured"
