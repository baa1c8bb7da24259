"""A review's way from request to decision, and every step that there is not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Membership
from assay.errors import AssayError, BadInput
from audits.models import Finding, Run
from audits.services import draft_run
from compliance import services
from compliance.desk import findings_of
from compliance.models import Reply, Review, ReviewState
from models_registry import files
from tests import factory
from tests.compliance.made import (
    answered,
    approved,
    colleague,
    findings,
    in_review,
    submitted,
    yes_to_all,
)
from tests.conftest import People
from trail.models import TrailEntry
from trail.services import verify


def test_a_review_goes_from_request_to_decision_and_the_trail_knows(people: People, run: Run) -> None:
    review = submitted(people, run)
    assert (review.state, review.snapshot_digest) == ("submitted", review.run.snapshot_digest)
    review = services.take(review, people.reviewer)
    assert (review.state, review.reviewer) == ("in_review", people.reviewer)
    review = services.decide(
        review, people.reviewer, "approved", "Good enough.", "Audit again in June.",
        dt.date(2100, 1, 1), yes_to_all(review.run), review.revision,
    )  # fmt: skip
    assert (review.state, review.conditions, review.revision) == ("approved", "Audit again in June.", 2)
    told = TrailEntry.objects.filter(target_id=review.pk).values_list("action", flat=True)
    assert list(told) == ["review.submitted", "review.taken", "review.approved"]
    assert verify(people.organisation.pk) is None


def test_nothing_is_submitted_before_management_has_replied(people: People, run: Run) -> None:
    lacking = list(services.unanswered(run))
    assert lacking
    with pytest.raises(BadInput, match=f"F-{lacking[0].number} "):
        services.submit_review(run, people.engineer)
    for finding in lacking[1:]:
        services.reply(finding, run, "Known.", by=people.engineer)
    with pytest.raises(BadInput, match="reply comes before"):
        services.submit_review(run, people.engineer)
    services.reply(lacking[0], run, "Known.", by=people.engineer)
    assert services.submit_review(run, people.engineer).number == 1


def test_an_accepted_or_mended_finding_wants_no_reply(people: People, run: Run) -> None:
    Finding.objects.of(people.organisation).update(state="accepted", accepted_until=dt.date(2100, 1, 1))
    assert services.submit_review(run, people.engineer)


def test_a_finding_whose_acceptance_has_ended_wants_a_reply_and_then_can_be_approved(
    people: People, run: Run
) -> None:
    ended = dt.date(2020, 1, 1)
    Finding.objects.of(people.organisation).update(state="accepted", accepted_until=ended)
    lacking = list(services.unanswered(run))
    assert {finding.severity for finding in lacking} <= {"high", "critical"}
    with pytest.raises(BadInput, match="reply comes before"):
        services.submit_review(run, people.engineer)
    assert {each.finding for each in findings_of(run, ended + dt.timedelta(days=1)) if each.wanted} == set(
        lacking
    )
    assert not any(each.wanted for each in findings_of(run, ended))
    review = approved(people, run)
    assert (review.state, review.lapses_on, review.basis["acceptances"]) == ("approved", None, {})


def test_a_reply_belongs_to_a_run_that_has_the_finding(people: People, run: Run, other: Run) -> None:
    with pytest.raises(BadInput, match="does not have"):
        services.reply(findings(run)[0], other, "Known.", by=people.engineer)


def test_a_run_without_result_cannot_be_submitted(people: People) -> None:
    system = factory.system(people)
    run = draft_run(
        factory.predictions_version(system, people.engineer),
        factory.data_version(system, people.engineer),
        by=people.engineer,
    )
    with pytest.raises(BadInput, match="measured nothing"):
        services.submit_review(run, people.engineer)


def test_a_run_is_with_the_reviewers_once(people: People, run: Run) -> None:
    review = submitted(people, run)
    with pytest.raises(AssayError, match="already") as caught:
        services.submit_review(review.run, people.engineer)
    assert caught.value.code == "conflict"
    with pytest.raises(IntegrityError), transaction.atomic():
        Review.objects.create(
            organisation=people.organisation, number=99, run=review.run, requested_by=people.engineer,
            snapshot_digest=review.snapshot_digest,
        )  # fmt: skip


STEPS: dict[str, Callable[[Review, People], object]] = {
    "take": lambda r, p: services.take(r, p.reviewer),
    "give_back": lambda r, p: services.give_back(r, p.reviewer),
    "decide": lambda r, p: services.decide(r, p.reviewer, "rejected", "No."),
    "withdraw": lambda r, p: services.withdraw(r, p.engineer),
    "revoke": lambda r, p: services.revoke(r, p.owner, "An error."),
}
ALLOWED = {
    "submitted": {"take", "give_back", "withdraw"},
    "in_review": {"take", "give_back", "decide", "withdraw"},
    "changes": set(),
    "approved": {"revoke"},
    "rejected": set(),
    "withdrawn": {"withdraw"},
}


@pytest.mark.parametrize("state", ReviewState.values)
def test_there_are_no_other_steps_than_these(people: People, run: Run, state: str) -> None:
    review = in_review(people, run)
    decided = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) if state in ("changes", "approved", "rejected") else None
    for name, step in STEPS.items():
        Review.objects.of(people.organisation).update(
            state=state, reviewer=None if state == "submitted" else people.reviewer, decided_at=decided
        )
        if name in ALLOWED[state]:
            step(review, people)
        else:
            with pytest.raises(AssayError):
                step(review, people)
            review.refresh_from_db()
            assert review.state == state


def test_the_requester_is_never_the_reviewer_in_the_service(people: People, run: Run) -> None:
    review = submitted(people, run)
    Membership.objects.of(people.organisation).filter(user=people.engineer).update(role="reviewer")
    with pytest.raises(BadInput, match="asked for a review never decides"):
        services.take(review, people.engineer)


def test_the_requester_is_never_the_reviewer_in_the_database(people: People, run: Run) -> None:
    review = submitted(people, run)
    with pytest.raises(IntegrityError), transaction.atomic():
        Review.objects.of(people.organisation).filter(pk=review.pk).update(reviewer=people.engineer)


def test_who_planned_the_run_or_registered_the_version_never_reviews_it(people: People, run: Run) -> None:
    answered(run, people.owner)
    planner = colleague(people, "reviewer", "planner")
    review = services.submit_review(run, people.owner)
    with pytest.raises(BadInput, match="planned Audit"):
        services.take(review, people.engineer)
    version = run.subject.model_version
    version.created_by = planner
    version.save()
    with pytest.raises(BadInput, match="registered scorer 1"):
        services.take(review, planner)
    assert services.take(review, people.reviewer).reviewer == people.reviewer


def test_a_colleague_takes_over_only_when_they_say_so_and_the_first_is_told(people: People, run: Run) -> None:
    review = in_review(people, run)
    second = colleague(people, "reviewer", "second")
    with pytest.raises(AssayError, match="took Review 1") as caught:
        services.take(review, second)
    assert caught.value.code == "conflict"
    services.take(review, second, over=True)
    with pytest.raises(AssayError, match="Second took Review 1") as caught:
        services.decide(review, people.reviewer, "rejected", "No.")
    assert caught.value.code == "conflict"


def test_a_reviewer_decides_on_what_they_saw_alone(people: People, run: Run) -> None:
    review = in_review(people, run)
    with pytest.raises(AssayError) as caught:
        services.decide(review, people.reviewer, "rejected", "No.", expected_revision=0)
    assert caught.value.code == "conflict"


def test_a_decision_gives_its_reason_and_only_an_approval_has_conditions(people: People, run: Run) -> None:
    review = in_review(people, run)
    with pytest.raises(BadInput, match="reason is missing"):
        services.decide(review, people.reviewer, "approved", "  ")
    with pytest.raises(BadInput, match="an approval only"):
        services.decide(review, people.reviewer, "rejected", "No.", "But yes.")
    with pytest.raises(BadInput, match="no decision"):
        services.decide(review, people.reviewer, "submitted", "No.")
    with pytest.raises(BadInput, match="NUL"):
        services.decide(review, people.reviewer, "rejected", "N\x00o.")


def test_an_approval_with_an_open_entry_says_its_conditions(people: People, run: Run) -> None:
    review = in_review(people, run)
    open_one = yes_to_all(review.run)
    open_one[0]["done"] = False
    with pytest.raises(BadInput, match="Purpose and affected people"):
        services.decide(review, people.reviewer, "approved", "Well.", checklist=open_one)
    with pytest.raises(BadInput, match="has no entry"):
        services.decide(
            review, people.reviewer, "approved", "Well.", checklist=[{"text": "All good", "done": True}]
        )
    made = services.decide(
        review, people.reviewer, "approved", "Well.", "Describe the people.", checklist=open_one
    )
    assert [entry["done"] for entry in made.checklist][:2] == [False, True]


def test_validity_ends_in_the_future(people: People, run: Run) -> None:
    review = in_review(people, run)
    with pytest.raises(BadInput, match="lies in the past"):
        services.decide(
            review, people.reviewer, "approved", "Yes.", valid_until=dt.date(2020, 1, 1),
            checklist=yes_to_all(review.run),
        )  # fmt: skip


@pytest.mark.parametrize("harm", ["damaged", "gone", "another"])
def test_a_snapshot_that_is_not_what_was_submitted_refuses_the_decision(
    people: People, run: Run, harm: str
) -> None:
    review = in_review(people, run)
    path = files.path_of(people.organisation, review.run.evidence_file)
    whole = path.read_bytes()
    if harm == "damaged":
        path.write_bytes(path.read_bytes().replace(b'"outcome":"fail"', b'"outcome":"pass"', 1))
    elif harm == "gone":
        path.unlink()
    else:
        Review.objects.of(people.organisation).update(snapshot_digest="0" * 64)
    try:
        with pytest.raises(BadInput, match="stored snapshot of Audit"):
            services.decide(review, people.reviewer, "rejected", "No.")
    finally:
        path.write_bytes(whole)
    review.refresh_from_db()
    assert review.state == "in_review"


def test_a_revoked_approval_stays_in_the_record(people: People, run: Run) -> None:
    review = approved(people, run)
    services.revoke(review, people.owner, "Wrong data.")
    services.revoke(review, people.owner, "Twice changes nothing.")
    review.refresh_from_db()
    assert (review.state, review.revoked_by, review.revoked_reason) == (
        "approved",
        people.owner,
        "Wrong data.",
    )


def test_only_the_requester_withdraws_and_the_run_can_be_submitted_again(people: People, run: Run) -> None:
    review = submitted(people, run)
    with pytest.raises(BadInput, match="can withdraw it"):
        services.withdraw(review, people.owner)
    services.withdraw(review, people.engineer)
    assert services.submit_review(review.run, people.engineer).number == 2
    assert Reply.objects.of(people.organisation).filter(run=review.run).exists()
