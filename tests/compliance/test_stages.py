"""Versions go up through an approval that holds, and down with a reason."""

from __future__ import annotations

import datetime as dt

import pytest

from assay.errors import AssayError, BadInput
from audits.models import Run
from compliance import services
from compliance.models import Review, StageChange
from compliance.stages import change_stage
from models_registry import files
from models_registry.models import ModelVersion
from tests.compliance.made import approved, in_review, submitted
from tests.compliance.test_staleness import newer_data, newer_policy
from tests.conftest import People
from trail.models import TrailEntry


def version_of(run: Run) -> ModelVersion:
    return ModelVersion.unscoped.get(pk=run.subject.model_version_id)


def test_a_version_goes_up_step_by_step_through_its_approval(people: People, run: Run) -> None:
    review = approved(people, run)
    change_stage(version_of(run), "approved", people.reviewer)
    made = change_stage(version_of(run), "deployed", people.reviewer)
    assert (version_of(run).stage, made.review) == ("deployed", review)
    told = TrailEntry.objects.filter(action="version.stage_changed", target_id=version_of(run).pk)
    assert [entry.facts["after"] for entry in told] == ["approved", "deployed"]


def test_no_step_is_left_out(people: People, run: Run) -> None:
    approved(people, run)
    with pytest.raises(BadInput, match="candidate version is not deployed next"):
        change_stage(version_of(run), "deployed", people.reviewer)
    with pytest.raises(BadInput, match="is candidate already"):
        change_stage(version_of(run), "candidate", people.reviewer)
    with pytest.raises(BadInput, match="is no stage"):
        change_stage(version_of(run), "live", people.reviewer)


@pytest.mark.parametrize("state", ["none", "submitted", "in_review", "rejected", "changes"])
def test_without_an_approval_nothing_goes_up(people: People, run: Run, state: str) -> None:
    if state == "submitted":
        submitted(people, run)
    elif state != "none":
        review = in_review(people, run)
        if state != "in_review":
            services.decide(review, people.reviewer, state, "No.")
    with pytest.raises(BadInput, match="cannot become approved"):
        change_stage(version_of(run), "approved", people.reviewer)
    assert not StageChange.objects.of(people.organisation).exists()


def test_an_approval_is_for_its_own_version(people: People, run: Run, repaired: Run) -> None:
    approved(people, run)
    with pytest.raises(BadInput, match="No review of this version"):
        change_stage(version_of(repaired), "approved", people.reviewer)


def test_an_approval_for_less_does_not_deploy(people: People, run: Run) -> None:
    approved(people, run, purpose="approved")
    change_stage(version_of(run), "approved", people.reviewer)
    with pytest.raises(BadInput, match="ask for a review for deployment"):
        change_stage(version_of(run), "deployed", people.reviewer)


@pytest.mark.parametrize("end", ["revoked", "policy", "data", "time", "snapshot", "later rejection"])
def test_an_approval_that_no_longer_holds_blocks_the_next_step(people: People, run: Run, end: str) -> None:
    review = approved(people, run, valid_until=dt.date(2100, 1, 1))
    change_stage(version_of(run), "approved", people.reviewer)
    path = files.path_of(people.organisation, run.evidence_file)
    whole = path.read_bytes()
    if end == "revoked":
        services.revoke(review, people.owner, "Wrong.")
    elif end == "policy":
        newer_policy(run)
    elif end == "data":
        newer_data(run)
    elif end == "time":
        Review.objects.of(people.organisation).update(lapses_on=dt.date(2020, 1, 1))
    elif end == "snapshot":
        path.write_bytes(whole + b" ")
    else:
        services.decide(in_review(people, run), people.reviewer, "rejected", "No.")
    try:
        with pytest.raises(BadInput, match="cannot become deployed"):
            change_stage(version_of(run), "deployed", people.reviewer)
    finally:
        path.write_bytes(whole)
    assert version_of(run).stage == "approved"


def test_down_is_always_possible_with_a_reason(people: People, run: Run) -> None:
    review = approved(people, run)
    change_stage(version_of(run), "approved", people.reviewer)
    change_stage(version_of(run), "deployed", people.reviewer)
    services.revoke(review, people.owner, "Wrong.")
    with pytest.raises(BadInput, match="Say why"):
        change_stage(version_of(run), "retired", people.owner)
    change_stage(version_of(run), "retired", people.owner, "The approval was revoked.")
    change_stage(version_of(run), "candidate", people.owner, "To be looked at anew.")
    assert version_of(run).stage == "candidate"


@pytest.mark.parametrize(("former", "then"), [("retire", "retired"), ("keep", "deployed")])
def test_deploying_another_version_retires_or_keeps_the_former_one(
    people: People, run: Run, repaired: Run, former: str, then: str
) -> None:
    for each in (run, repaired):
        approved(people, each)
        change_stage(version_of(each), "approved", people.reviewer)
        change_stage(version_of(each), "deployed", people.reviewer, former=former)  # type: ignore[arg-type]
    assert (version_of(run).stage, version_of(repaired).stage) == (then, "deployed")


def test_who_acts_on_an_older_stage_is_told(people: People, run: Run) -> None:
    approved(people, run)
    change_stage(version_of(run), "approved", people.reviewer)
    with pytest.raises(AssayError, match="faster") as caught:
        change_stage(version_of(run), "retired", people.owner, "Out.", expected="candidate")
    assert caught.value.code == "conflict"
