"""Pages of reviews: who sees what, what is escaped, what nobody loses, and how many queries they cost."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from audits.models import Run
from compliance import services
from compliance.models import Reply, Review
from compliance.stages import change_stage
from tests.compliance.desk import (
    HOSTILE,
    AsUser,
    address,
    pages,
)
from tests.compliance.made import (
    answered,
    approved,
    findings,
    submitted,
    yes_to_all,
)
from tests.conftest import People


@pytest.mark.parametrize("role", ["owner", "engineer", "reviewer", "auditor", "operator"])
def test_each_role_comes_in_where_it_may(people: People, run: Run, as_user: AsUser, role: str) -> None:
    review = approved(people, run)
    client = as_user(getattr(people, role))
    for name, (path, roles) in pages(people, review).items():
        status = client.get(path).status_code
        assert (
            (name, status) in {(name, 200), (name, 302)} if role in roles else (name, status) == (name, 403)
        )


def test_outsiders_see_nothing_and_the_signed_out_sign_in(people: People, run: Run, as_user: AsUser) -> None:
    review = approved(people, run)
    outsider = as_user(people.outsider)
    for path, _roles in pages(people, review).values():
        assert outsider.get(path).status_code == 404
        assert outsider.post(path).status_code == 404
        answer = Client().get(path)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/accounts/login/")
        own = path.replace(people.organisation.slug, people.elsewhere.slug, 1)
        if str(review.pk) in own:
            assert outsider.get(own).status_code in (403, 404)


def test_everything_typed_is_shown_escaped(people: People, run: Run, as_user: AsUser) -> None:
    for finding in services.unanswered(run):
        services.reply(finding, run, HOSTILE, HOSTILE, by=people.engineer)
    review = services.submit_review(run, people.engineer, HOSTILE)
    services.take(review, people.reviewer)
    services.decide(review, people.reviewer, "approved", HOSTILE, HOSTILE, checklist=yes_to_all(run))
    version = run.subject.model_version
    change_stage(version, "approved", people.reviewer, HOSTILE)
    services.revoke(review, people.owner, HOSTILE)
    client = as_user(people.engineer)
    for name in ("review", "reviews", "submit", "reply", "stage"):
        shown = client.get(pages(people, review)[name][0]).content.decode()
        assert "<script>alert" not in shown
        assert "<b>of all</b>" not in shown
        assert "{{ 7" in shown or HOSTILE[:8] not in shown
    assert "&lt;script&gt;alert(1)" in client.get(pages(people, review)["review"][0]).content.decode()


def test_submitting_asks_for_the_replies_that_are_lacking_and_takes_them(
    people: People, run: Run, as_user: AsUser
) -> None:
    client = as_user(people.engineer)
    path = address(people, "submit", run.pk)
    lacking = list(services.unanswered(run))
    assert f"{len(lacking)} findings need your reply first" in client.get(path).content.decode()
    form = {"purpose_stage": "deployed", "message": "Please."}
    wrong = client.post(path, {**form, f"f{lacking[0].number}-text": "Known."})
    assert wrong.status_code == 422
    assert "Known." in wrong.content.decode()
    assert not Reply.objects.of(people.organisation).exists()
    replies = {f"f{finding.number}-text": "Known." for finding in lacking}
    done = client.post(path, {**form, **replies})
    review = Review.objects.of(people.organisation).get()
    assert done["Location"] == address(people, "review", review.pk)
    assert Reply.objects.of(people.organisation).count() == len(lacking)
    again = client.post(path, {**form, **replies})
    assert again["Location"] == done["Location"]
    assert Review.objects.of(people.organisation).count() == 1


def test_an_audit_that_is_with_the_reviewers_leads_there_and_is_not_submitted_again(
    people: People, run: Run, as_user: AsUser
) -> None:
    client, place = as_user(people.engineer), f"/o/{people.organisation.slug}/audits/{run.pk}/"
    assert "Submit for review" in client.get(place).content.decode()
    review = submitted(people, run)
    page = client.get(place).content.decode()
    assert f"{review} is with the reviewers" in page
    assert "Submit for review" not in page


def test_a_requester_sees_what_is_waited_for_and_withdraws(people: People, run: Run, as_user: AsUser) -> None:
    review = submitted(people, run)
    client = as_user(people.engineer)
    desk = address(people, "review", review.pk)
    assert "had no part in it has to take it" in client.get(desk).content.decode()
    client.post(address(people, "withdraw", review.pk))
    client.post(address(people, "withdraw", review.pk))
    assert "Withdrawn" in client.get(desk).content.decode()


def test_a_repaired_version_is_shown_before_and_after(people: People, repaired: Run, as_user: AsUser) -> None:
    review = submitted(people, repaired)
    shown = as_user(people.reviewer).get(address(people, "review", review.pk)).content.decode()
    assert "Before and after" in shown
    assert "Let through" in shown
    assert "Nothing that became worse matters" not in shown


def test_the_stage_page_moves_a_version_and_warns_when_the_approval_is_gone(
    people: People, run: Run, as_user: AsUser
) -> None:
    review = approved(people, run)
    client = as_user(people.reviewer)
    path = address(people, "stage", run.subject.model_version_id)
    for before, after in (("candidate", "approved"), ("approved", "deployed")):
        assert client.post(path, {"after": after, "expected": before, "former": "retire"}).status_code == 302
    assert client.post(path, {"after": "retired", "expected": "approved"}).status_code == 409
    assert "without an approval" not in client.get(path).content.decode()
    services.revoke(review, people.owner, "Wrong.")
    assert "Deployed without an approval that holds" in client.get(path).content.decode()
    assert (
        "Deployed without an approval that holds" in client.get(address(people, "reviews")).content.decode()
    )
    assert as_user(people.engineer).post(path, {"after": "retired"}).status_code == 403


def test_revoking_is_asked_once_and_kept(people: People, run: Run, as_user: AsUser) -> None:
    review = approved(people, run)
    client = as_user(people.owner)
    path = address(people, "revoke", review.pk)
    assert client.post(path, {"reason": " "}).status_code == 422
    client.post(path, {"reason": "Wrong data."})
    review.refresh_from_db()
    assert review.revoked_reason == "Wrong data."
    assert client.post(path, {"reason": "Again."}).status_code == 302


@pytest.mark.parametrize("name", ["reviews", "review", "submit", "reply", "stage", "controls", "system"])
def test_pages_cost_a_fixed_number_of_queries(
    people: People, run: Run, repaired: Run, as_user: AsUser, name: str,
    django_assert_max_num_queries: Any,
) -> None:  # fmt: skip
    review = submitted(people, run)
    path = pages(people, review)[name][0]
    if name == "submit":
        path = address(people, "submit", repaired.pk)
    client = as_user(people.engineer)
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(
        connection,
    ) as first:
        assert client.get(path).status_code == 200
    for number in range(3):
        Review.objects.create(
            organisation=people.organisation, number=50 + number, run=run, requested_by=people.engineer,
            snapshot_digest=run.snapshot_digest, state="rejected", reviewer=people.reviewer,
            decided_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        )  # fmt: skip
        for finding in findings(run):
            services.reply(finding, run, "More.", by=people.engineer)
    with CaptureQueriesContext(connection) as then:
        client.get(path)
    assert len(then) <= len(first) <= 24


def test_the_list_says_who_waits_and_what_is_stale(people: People, run: Run, as_user: AsUser) -> None:
    client = as_user(people.reviewer)
    path = address(people, "reviews")
    assert "Nothing waits for a decision" in client.get(path).content.decode()
    review = approved(people, run)
    Review.objects.of(people.organisation).update(lapses_on=dt.date(2020, 1, 1))
    assert "It could hold until 1 January 2020." in client.get(f"{path}?show=decided").content.decode()
    services.submit_review(answered(run, people.engineer), people.engineer)
    assert "1 review waits for a decision" in client.get(path).content.decode()
    assert review.number == 1
