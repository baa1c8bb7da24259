"""Two people at the same moment, in threads of their own and with real commits."""

from __future__ import annotations

from typing import Any

from accounts.models import User
from assay.errors import AssayError
from compliance import services
from compliance.models import Review
from compliance.stages import change_stage
from models_registry.models import ModelVersion
from tests.at_once import at_once
from tests.compliance.made import approved, colleague, in_review, judged_run, submitted, yes_to_all
from tests.conftest import make_people
from trail.models import TrailEntry
from trail.services import verify


def one_was_told(results: list[Any]) -> None:
    refused = [r for r in results if isinstance(r, AssayError)]
    assert [r.code for r in refused] == ["conflict"], results


def test_the_second_of_two_who_take_a_review_is_told(committed: None) -> None:
    people = make_people()
    review = submitted(people, judged_run(people))
    second = colleague(people, "reviewer", "second")
    results = at_once(
        lambda: services.take(Review.unscoped.get(pk=review.pk), people.reviewer),
        lambda: services.take(Review.unscoped.get(pk=review.pk), second),
    )
    one_was_told(results)
    taken = TrailEntry.objects.filter(target_id=review.pk, action="review.taken").count()
    assert (taken, Review.unscoped.get(pk=review.pk).revision) == (1, 1)


def test_of_two_decisions_one_counts(committed: None) -> None:
    people = make_people()
    review = in_review(people, judged_run(people))
    entries = yes_to_all(review.run)

    def decide(outcome: str) -> Review:
        return services.decide(
            Review.unscoped.get(pk=review.pk), people.reviewer, outcome, "At once.", "", None,
            entries, review.revision,
        )  # fmt: skip

    one_was_told(at_once(lambda: decide("approved"), lambda: decide("rejected")))
    assert verify(people.organisation.pk) is None


def test_a_takeover_and_a_decision_do_not_both_count(committed: None) -> None:
    people = make_people()
    review = in_review(people, judged_run(people))
    second = colleague(people, "reviewer", "second")
    results = at_once(
        lambda: services.decide(
            Review.unscoped.get(pk=review.pk), people.reviewer, "rejected", "No.", expected_revision=1
        ),
        lambda: services.take(Review.unscoped.get(pk=review.pk), second, over=True),
    )
    one_was_told(results)


def test_a_run_is_submitted_once_by_two_clicks(committed: None) -> None:
    from tests.compliance.made import answered

    people = make_people()
    run = answered(judged_run(people), people.engineer)
    one_was_told(at_once(*[lambda: services.submit_review(run, people.engineer)] * 2))


def test_a_step_up_and_a_revocation_leave_no_step_without_approval(committed: None) -> None:
    people = make_people()
    review = approved(people, judged_run(people))
    version = review.run.subject.model_version
    moved, revoked = at_once(
        lambda: change_stage(ModelVersion.unscoped.get(pk=version.pk), "approved", people.reviewer),
        lambda: services.revoke(Review.unscoped.get(pk=review.pk), people.owner, "Wrong."),
    )
    assert not isinstance(revoked, AssayError)
    version.refresh_from_db()
    assert version.stage == ("candidate" if isinstance(moved, AssayError) else "approved")
    told = list(
        TrailEntry.objects.filter(
            organisation_id=people.organisation.pk, action__in=("version.stage_changed", "review.revoked")
        )
        .order_by("sequence")
        .values_list("action", flat=True)
    )
    assert told in (["review.revoked"], ["version.stage_changed", "review.revoked"])


def test_of_two_promotions_one_counts(committed: None) -> None:
    people = make_people()
    version = approved(people, judged_run(people)).run.subject.model_version
    second = colleague(people, "reviewer", "second")

    def promote(by: User) -> object:
        return change_stage(ModelVersion.unscoped.get(pk=version.pk), "approved", by, expected="candidate")

    one_was_told(at_once(lambda: promote(people.reviewer), lambda: promote(second)))
    moved = TrailEntry.objects.filter(
        organisation_id=people.organisation.pk, action="version.stage_changed", target_id=version.pk
    )
    assert moved.count() == 1
    assert verify(people.organisation.pk) is None
