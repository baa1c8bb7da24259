"""A reviewer decides, promotes and revokes; the world sees it on the public page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings

from assay.report.authority import find_authority
from assay.report.verify import verify
from compliance.models import Review
from reports.models import Document
from tests import factory
from tests.compliance.made import judged_run, submitted
from tests.conftest import People
from tests.journeys.conftest import PASSWORD, Desk, sign_in_by_form


def test_a_decision_from_the_desk_to_the_public_page(desk: Desk, staff: People) -> None:
    review = submitted(staff, judged_run(staff))
    factory.run_jobs()
    page = desk.page(None)
    page.goto("/")
    sign_in_by_form(page, staff.reviewer)

    page.get_by_role("heading", name="1 audit waits for a reviewer").wait_for()
    page.get_by_role("link", name="For review", exact=True).click()
    page.get_by_role("link", name=f"Review {review.number}", exact=True).click()
    page.get_by_role("button", name="Take this review").click()
    decide(page)
    review.refresh_from_db()
    assert (review.state, review.conditions) == ("approved", "Report to the board monthly.")

    factory.run_jobs()
    code = fetch_the_report(page, review)
    public = desk.page(None)
    public.goto("/verify/")
    public.get_by_label("Code").fill(code)
    public.get_by_role("button", name="Look it up").click()
    public.get_by_text("Approved").first.wait_for()

    promote(page)
    review.run.subject.model_version.refresh_from_db()
    assert review.run.subject.model_version.stage == "approved"
    revoke(page)
    public.reload()
    public.get_by_text("evoked").first.wait_for()
    assert desk.complaints == []


def decide(page: Any) -> None:
    for box in page.locator(".check input").all():
        box.check()
    page.get_by_label("Approve").check()
    page.get_by_label("Reason, printed in the report").fill("The findings are known and answered.")
    page.get_by_label("Conditions of the approval").fill("Report to the board monthly.")
    page.get_by_role("button", name="Sign the decision").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_text("What you typed is filled in again").wait_for()
    page.get_by_role("button", name="Sign the decision").click()
    page.get_by_text("Your decision is recorded").wait_for()


def fetch_the_report(page: Any, review: Review) -> str:
    """The countersigned file, checked offline; returns the code on its page."""
    page.get_by_role("link", name="Countersigned report").click()
    page.get_by_role("heading", name="How to check it").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download PDF").click()
    pdf = Path(download.value.path()).read_bytes()
    checked = verify(pdf, authority=find_authority(settings.ENV.home))
    assert checked.outcome == "intact", checked.details
    assert checked.decision is not None
    assert checked.snapshot_digest == review.snapshot_digest
    document = Document.objects.of(review.organisation_id).get(review=review, kind="countersigned")
    code: str = page.locator("dt", has_text="Code").locator("xpath=following-sibling::dd").inner_text()
    assert code.replace(" ", "") == document.verification_code
    return code


def promote(page: Any) -> None:
    page.get_by_role("link", name="Review 1").or_(page.locator(".facts a[href*=reviews]")).first.click()
    page.get_by_role("link", name="Stage of").click()
    page.get_by_label("Approved").check()
    page.get_by_role("button", name="Change the stage").click()
    page.get_by_role("heading", name="is approved").wait_for()


def revoke(page: Any) -> None:
    page.get_by_role("link", name="Review 1", exact=True).first.click()
    page.get_by_role("link", name="Revoke the approval").click()
    page.get_by_label("Reason").fill("The board was not told.")
    page.get_by_role("button", name="Revoke the approval").click()
    page.get_by_text("Revoked because").wait_for()
