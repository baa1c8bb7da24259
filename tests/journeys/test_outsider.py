"""Somebody of another organisation, and nobody at all, in a browser."""

from __future__ import annotations

from tests import factory
from tests.browser import press
from tests.conftest import People
from tests.journeys.conftest import Desk, sign_in_by_form
from tests.reports.builders import add_reports


def test_others_find_nothing_and_the_signed_out_come_back_to_where_they_wanted(
    desk: Desk, staff: People
) -> None:
    run = factory.measured_run(staff)
    report = add_reports(staff, run)
    home = f"/o/{staff.organisation.slug}/"
    wanted = [
        home,
        f"{home}systems/{run.system_id}/",
        f"{home}audits/{run.pk}/",
        f"{home}reports/{report.pk}/",
        f"{home}reports/{report.pk}/report.pdf",
    ]
    stranger = desk.page(staff.outsider)
    for path in wanted:
        answer = stranger.goto(path)
        assert answer.status == 404, path
        assert stranger.get_by_role("heading", level=1).inner_text() == "Not found"
        assert run.system.name not in stranger.content()
    stranger.get_by_role("link", name="Home").click()
    stranger.get_by_role("heading", name="Welcome to Other").wait_for()

    nobody = desk.page(None)
    nobody.goto(wanted[2])
    nobody.get_by_role("heading", name="Sign in").wait_for()
    assert run.system.name not in nobody.content()
    sign_in_by_form(nobody, staff.auditor)
    assert nobody.url.endswith(wanted[2])
    assert nobody.get_by_role("heading", level=1).inner_text().startswith(f"Audit {run.number}")
    press(nobody, "Sign out")
    nobody.goto(wanted[1])
    nobody.get_by_role("heading", name="Sign in").wait_for()
    assert desk.complaints == []
