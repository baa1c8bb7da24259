"""An engineer, from an empty organisation to a request for review, through forms and clicks alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audits.models import Run
from compliance.models import Review
from tests.command import loans, write_csv
from tests.conftest import People
from tests.journeys.conftest import Desk, sign_in_by_form
from tests.models.made import linear_folder, number

TO_THE_END = 120_000


def test_from_nothing_to_a_submitted_audit(desk: Desk, worker: None, staff: People, tmp_path: Path) -> None:
    page = desk.page(None)
    page.goto("/")
    sign_in_by_form(page, staff.engineer)
    page.get_by_role("heading", name="Welcome to").wait_for()

    register(page)
    give_the_model(page, tmp_path)
    give_the_data(page, tmp_path)
    page.get_by_role("link", name="Audit on this data").click()
    first = audit(page, "scorer 1")
    read_it_through(page)
    name_predictions(page)
    page.get_by_role("link", name="Audit this version").click()
    audit(page, "scorer 2")

    page.get_by_role("link", name="Compare…").click()
    page.get_by_role("link", name=f"Audit {first}", exact=True).click()
    page.get_by_role("heading", name="What moved").wait_for()
    page.get_by_role("link", name="Audit 2").first.click()

    submit(page)
    review = Review.objects.of(staff.organisation).get()
    assert page.url.endswith(f"/reviews/{review.pk}/")
    assert (review.state, review.message) == ("submitted", "Scores alone, for now.")
    assert review.run.number == 2
    assert {r.text for r in review.run.replies.all()} <= {"Known; the next version mends it."}
    assert desk.complaints == []


def register(page: Any) -> None:
    page.get_by_role("link", name="Register a system").click()
    page.get_by_label("Name", exact=True).fill("Loan pre-screen")
    page.get_by_label("Purpose").fill("Shortlists loan applications.")
    page.get_by_role("button", name="Register the system").click()
    page.get_by_role("heading", name="Loan pre-screen").wait_for()


def give_the_model(page: Any, folder: Path) -> None:
    page.get_by_role("link", name="New model").click()
    page.get_by_label("Name", exact=True).fill("scorer")
    page.get_by_role("button", name="Go on to its files").click()
    model = linear_folder(folder / "net", [number("income", mean=1_500, scale=2_000)], [1.0])
    page.get_by_label("A folder").set_input_files(model)
    page.get_by_role("button", name="Add the version").click()
    page.get_by_role("heading", name="What it reads and says").wait_for()  # it follows by itself
    page.get_by_role("link", name="Loan pre-screen").click()


def give_the_data(page: Any, folder: Path) -> None:
    page.get_by_role("link", name="New dataset").click()
    page.get_by_label("Name", exact=True).fill("applications")
    page.get_by_role("button", name="Go on to its files").click()
    page.locator("#file_test").set_input_files(write_csv(folder / "loans.csv", loans(2_000, 3.0)))
    page.get_by_role("combobox", name="True outcome").fill("repaid")
    page.get_by_label("Favourable outcome").fill("yes")
    page.get_by_label("Sensitive columns").fill("sex")
    page.get_by_role("button", name="Add the version").click()
    page.get_by_role("heading", name="Datasheet").wait_for()
    page.get_by_role("link", name="Audit on this data").wait_for()


def audit(page: Any, version: str) -> int:
    """From the form to the results; nobody reloads. Returns the audit's number."""
    page.get_by_label("Model version").select_option(label=version)
    page.get_by_label("Data version").select_option(label="applications 1")
    page.get_by_label("Policy").select_option(label="General binary decisions 1.0")
    page.get_by_label("Quick").check()
    page.get_by_role("button", name="Read and plan").click()
    start = page.get_by_role("button", name="Start audit")
    start.wait_for(timeout=TO_THE_END)
    page.get_by_role("heading", name="What it will be judged by").wait_for()
    start.click()
    page.get_by_role("heading", name="What was not tested, and why").wait_for(timeout=TO_THE_END)
    found: int = Run.unscoped.get(pk=page.url.rstrip("/").split("/")[-1]).number
    return found


def read_it_through(page: Any) -> None:
    """A finding, and every chapter."""
    results = page.url
    findings = page.get_by_role("link", name="F-1 ")
    findings.first.click()
    page.get_by_role("heading", name="Management's replies").wait_for()
    page.get_by_label("To be mended by").fill("2031-01-31")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("31 January 2031").first.wait_for()
    page.goto(results)
    chapters = page.locator(".contents a").all_inner_texts()
    assert len(chapters) >= 3
    page.locator(".contents a").first.click()
    for title in chapters:
        tab = page.get_by_role("navigation", name="Chapters").get_by_role("link", name=title, exact=True)
        if tab.count():
            tab.click()
            page.get_by_role("heading", level=1, name=title).wait_for()


def name_predictions(page: Any) -> None:
    page.get_by_role("link", name="Systems").first.click()
    page.get_by_role("link", name="Loan pre-screen").first.click()
    page.get_by_role("link", name="scorer", exact=True).click()
    page.get_by_role("link", name="Predictions").click()
    page.get_by_label("Column of predicted classes").fill("approved")
    page.get_by_label("Column of scores").fill("score")
    page.get_by_role("button", name="Add the version").click()
    page.get_by_role("link", name="Audit this version").wait_for()


def submit(page: Any) -> None:
    page.get_by_role("link", name="Submit for review").click()
    for reply in page.get_by_label("Reply", exact=True).all():
        reply.fill("Known; the next version mends it.")
    page.get_by_label("Message to the reviewers").fill("Scores alone, for now.")
    page.get_by_role("button", name="ubmit for review").click()
    page.get_by_text("You asked").wait_for()
