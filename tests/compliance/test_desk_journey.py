"""A reviewer at the desk in a real Chromium: keys, confirmation, signature; and on a page without script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse

from compliance.models import Review
from tests.browser import browser, chromium, served, sign_in
from tests.compliance.made import in_review, judged_run
from tests.conftest import People, make_people

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium is installed here")
PASSWORD = "a long enough secret"


@pytest.fixture
def desk(committed: None) -> Iterator[tuple[Any, str, People, Review]]:
    people = make_people()
    people.reviewer.set_password(PASSWORD)
    people.reviewer.save()
    review = in_review(people, judged_run(people))
    with served() as address, browser() as chrome:
        yield chrome, address, people, review


def path_of(people: People, review: Review) -> str:
    return reverse("compliance:review", args=[people.organisation.slug, review.pk])


def open_desk(desk: tuple[Any, str, People, Review], **more: Any) -> Any:
    chrome, address, people, review = desk
    context = chrome.new_context(viewport={"width": 1280, "height": 900}, **more)
    sign_in(context, address, people.reviewer)
    page = context.new_page()
    page.problems = []
    page.on("console", lambda m: page.problems.append(m.text) if "/reviews/" in page.url else None)
    page.goto(address + path_of(people, review))
    return page


def test_keys_choose_and_a_password_signs_what_was_typed(desk: tuple[Any, str, People, Review]) -> None:
    _chrome, _address, _people, review = desk
    page = open_desk(desk)
    page.keyboard.press("r")
    assert page.is_checked("input[value=rejected]")
    assert page.is_hidden("#id_conditions")
    page.fill("#id_reason", "Rejected, a and c are just letters here.")
    assert page.is_checked("input[value=rejected]")
    page.focus("#id_reason")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/reauthenticate/**")
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**/reviews/**")
    assert page.is_visible("text=What you typed is filled in again")
    assert page.input_value("#id_reason") == "Rejected, a and c are just letters here."
    page.click("text=Sign the decision")
    page.wait_for_selector("text=Your decision is recorded")
    review.refresh_from_db()
    assert (review.state, page.problems) == ("rejected", [])


def test_the_desk_works_without_script(desk: tuple[Any, str, People, Review]) -> None:
    _chrome, _address, _people, review = desk
    page = open_desk(desk, java_script_enabled=False)
    page.check("input[value=changes]")
    page.fill("#id_reason", "Tell us about the missing rows.")
    page.click("text=Sign the decision")
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.click("text=Sign the decision")
    page.wait_for_selector("text=Changes requested")
    review.refresh_from_db()
    assert (review.state, review.reason) == ("changes", "Tell us about the missing rows.")
