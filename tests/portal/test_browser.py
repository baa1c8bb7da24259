"""In a real Chromium: a sign-in that ends in the middle of a form, the phone's menu, colours, the policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.sessions.models import Session

from accounts.models import Invitation
from tests.browser import browser, chromium, press, served, sign_in
from tests.conftest import People, make_people

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")
PASSWORD = "correct-horse-battery"


@pytest.fixture
def people(committed: None) -> People:
    found = make_people()
    found.owner.set_password(PASSWORD)
    found.owner.save()
    return found


@pytest.fixture
def page(people: People) -> Iterator[Any]:
    with served() as address, browser() as chrome:
        context = chrome.new_context(viewport={"width": 1280, "height": 900}, base_url=address)
        sign_in(context, address, people.owner)
        made = context.new_page()
        made.said = []
        made.on("console", lambda message: made.said.append(message.text))
        made.on("pageerror", lambda error: made.said.append(str(error)))
        yield made


def test_nothing_typed_is_lost_when_the_sign_in_ends(people: People, page: Any) -> None:
    members = f"/o/{people.organisation.slug}/members/"
    page.goto(members)
    page.get_by_label("E-mail address").fill("typed@example.org")
    page.locator("#id_role").select_option("auditor")
    Session.objects.all().delete()
    press(page, "Make the invitation")
    assert page.url.split("?")[0].endswith("/accounts/login/")
    assert page.get_by_text("What you typed is kept").is_visible()
    page.get_by_label("E-mail address").fill(people.owner.email)
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Sign in")
    assert page.url.endswith(members)
    assert page.get_by_text("What you typed is filled in again").is_visible()
    assert page.get_by_label("E-mail address").input_value() == "typed@example.org"
    assert page.locator("#id_role").input_value() == "auditor"
    assert not Invitation.objects.of(people.organisation).exists(), "nothing was sent by itself"
    press(page, "Make the invitation")
    assert page.locator("#link").inner_text().startswith("http")
    assert Invitation.objects.of(people.organisation).get().role == "auditor"
    assert page.said == []


def test_a_form_older_than_the_sign_in_is_explained_and_filled_in_again(people: People, page: Any) -> None:
    you = f"/o/{people.organisation.slug}/you/"
    page.goto(you)
    page.get_by_label("Your name").fill("Olga Owner")
    page.context.clear_cookies(name="csrftoken")
    press(page, "Save")
    page.get_by_role("link", name="Open the page, filled in").click()
    assert page.get_by_label("Your name").input_value() == "Olga Owner"
    press(page, "Save")
    assert page.get_by_role("heading", level=1).inner_text() == "Olga Owner"


def test_on_a_phone_the_menu_opens_and_no_page_is_wider_than_the_window(people: People, page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    slug = people.organisation.slug
    for path in ("", "members/", "settings/", "you/", "you/tokens/", "trail/"):
        page.goto(f"/o/{slug}/{path}")
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, path
    assert not page.get_by_role("link", name="Audits").is_visible()
    page.get_by_text("Menu", exact=True).click()
    page.get_by_role("link", name="Audits").click()
    page.wait_for_url("**/audits/")


def test_chosen_colours_stay_and_the_systems_are_followed_otherwise(people: People, page: Any) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    page.goto(f"/o/{people.organisation.slug}/you/")
    light = page.evaluate(paper)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(paper)
    assert light != dark
    page.get_by_label("Colours").select_option("light")
    press(page, "Apply")
    assert page.evaluate(paper) == light
    page.goto("/organisations/")
    assert page.evaluate(paper) == light
    assert page.said == []


def test_everything_can_be_reached_and_seen_by_keyboard(people: People, page: Any) -> None:
    page.goto(f"/o/{people.organisation.slug}/you/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.keyboard.press("Tab")
    width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert width == "3px"
