"""What ends an approval by itself, and what does not."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from assay.errors import BadInput
from audits.models import Finding, PolicyVersion, Run
from audits.signals import policy_changed
from compliance import services
from compliance.models import Review
from compliance.staleness import sweep
from compliance.standing import standing_of
from models_registry.models import DatasetVersion, ModelVersion
from models_registry.signals import version_changed
from tests import factory
from tests.compliance.made import answered, approved, in_review, yes_to_all
from tests.conftest import People
from trail.models import TrailEntry


def newer_policy(run: Run) -> PolicyVersion:
    old = run.policy
    assert old is not None
    made: PolicyVersion = PolicyVersion.objects.create(
        organisation=run.organisation, policy=old.policy, number=old.number + 1, toml=old.toml,
        sha256="1" * 64, content=old.content, created_by=old.created_by,
    )  # fmt: skip
    policy_changed.send(PolicyVersion, policy_version=made)
    return made


def newer_data(run: Run, state: str = "ready") -> DatasetVersion:
    old = run.subject.dataset_version
    made: DatasetVersion = DatasetVersion.objects.create(
        organisation=run.organisation, dataset=old.dataset, number=old.number + 1, state=state,
        created_by=old.created_by,
    )  # fmt: skip
    version_changed.send(DatasetVersion, version=made)
    return made


def standing(review: Review) -> tuple[str, str]:
    found = standing_of(Review.unscoped.select_related("organisation").get(pk=review.pk))
    return found.key, found.sentence


def test_a_fresh_approval_holds(people: People, run: Run) -> None:
    assert standing(approved(people, run)) == ("valid", "The approval holds.")


def test_a_newer_version_of_the_policy_ends_it_and_the_trail_knows(people: People, run: Run) -> None:
    review = approved(people, run)
    newer_policy(run)
    key, sentence = standing(review)
    assert key == "stale"
    assert sentence.startswith("The policy has changed: ")
    assert TrailEntry.objects.filter(target_id=review.pk, action="review.stale").count() == 1


def test_another_policy_changes_nothing(people: People, run: Run, repaired: Run) -> None:
    review = approved(people, run)
    old = run.policy
    assert old is not None
    other = type(old.policy).objects.create(organisation=people.organisation, name="Another")
    made = PolicyVersion.objects.create(
        organisation=people.organisation, policy=other, number=9, toml="", sha256="2" * 64, content={},
        created_by=people.engineer,
    )  # fmt: skip
    policy_changed.send(PolicyVersion, policy_version=made)
    assert standing(review)[0] == "valid"


def test_newer_data_end_it_once_they_are_ready(people: People, run: Run) -> None:
    review = approved(people, run)
    arriving = newer_data(run, "reading")
    assert standing(review)[0] == "valid"
    arriving.state = "ready"
    arriving.save()
    version_changed.send(DatasetVersion, version=arriving)
    assert standing(review)[1].startswith("The data have changed: loans ")


def test_a_newer_version_of_the_model_takes_nothing_from_the_older_one(people: People, run: Run) -> None:
    review = approved(people, run)
    newer = factory.predictions_version(run.system, people.engineer)
    version_changed.send(ModelVersion, version=newer)
    assert standing(review)[0] == "valid"


def test_other_content_under_the_same_version_ends_it(people: People, run: Run) -> None:
    review = approved(people, run)
    version = run.subject.model_version
    version.threshold = 0.7
    version.save()
    version_changed.send(ModelVersion, version=version)
    assert standing(review)[1] == "The content of scorer 1 is not what was measured."


def test_another_meaning_of_the_same_data_ends_it(people: People, run: Run) -> None:
    review = approved(people, run)
    data = run.subject.dataset_version
    data.description = {**data.description, "favourable": "no"}
    data.save()
    version_changed.send(DatasetVersion, version=data)
    assert standing(review)[1] == "The content of loans 1 is not what was measured."


def test_it_is_never_shown_valid_past_its_time_even_before_a_sweep(people: People, run: Run) -> None:
    review = approved(people, run, valid_until=dt.date(2100, 1, 1))
    assert standing(review) == ("valid", "The approval holds until 1 January 2100.")
    yesterday = dt.date(2020, 1, 1)
    Review.objects.of(people.organisation).update(valid_until=yesterday, lapses_on=yesterday)
    assert standing(review) == ("stale", "It was valid until 1 January 2020.")
    assert Review.unscoped.get(pk=review.pk).stale_at is None
    assert (sweep(), sweep()) == (1, 0)
    assert Review.unscoped.get(pk=review.pk).stale_reason == "It was valid until 1 January 2020."


def test_an_acceptance_that_it_rests_on_ends_it(people: People, run: Run) -> None:
    first = Finding.objects.of(people.organisation).filter(sightings__run=run).order_by("number")[0]
    first.state, first.accepted_until = Finding.State.ACCEPTED, dt.date(2099, 5, 1)
    first.save()
    review = approved(people, run, valid_until=dt.date(2100, 1, 1))
    assert standing(review)[1] == "The approval holds until 1 May 2099."
    Review.objects.of(people.organisation).update(
        lapses_on=dt.date(2020, 5, 1), basis={**review.basis, "acceptances": {"1": "2020-05-01"}}
    )
    assert standing(review)[1].startswith("The acceptance of finding F-1, which it rests on, ended on 1 May")


def test_a_later_rejection_of_the_same_version_ends_it(people: People, run: Run) -> None:
    review = approved(people, run)
    again = in_review(people, answered(run, people.engineer))
    services.decide(again, people.reviewer, "rejected", "We were wrong.")
    assert standing(review) == (
        "stale",
        "A later decision on the same version, Review 2, was a rejection.",
    )


def test_what_is_out_of_date_already_cannot_be_approved(people: People, run: Run) -> None:
    review = in_review(people, run)
    newer_data(run)
    with pytest.raises(BadInput, match=r"cannot be approved any more\. The data have changed"):
        services.decide(review, people.reviewer, "approved", "Yes.", checklist=yes_to_all(run))
    assert services.decide(review, people.reviewer, "changes", "Audit on the new data.").state == "changes"


def test_a_revoked_approval_is_revoked_and_not_stale(people: People, run: Run) -> None:
    review = approved(people, run)
    services.revoke(review, people.reviewer, "Wrong.")
    newer_policy(run)
    assert standing(review)[0] == "revoked"


def test_the_sweep_is_harmless_to_what_holds(people: People, run: Run) -> None:
    review: Any = approved(people, run, valid_until=dt.date(2100, 1, 1))
    assert sweep() == 0
    assert standing(review)[0] == "valid"
