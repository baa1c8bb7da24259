"""Starting and stopping remedies: what is checked, in which words, and that nothing is made twice."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

import pytest
from django.db import connection, transaction

from assay.errors import AssayError, BadInput
from audits.models import Finding
from jobs.leases import lock
from jobs.models import Job, JobState
from remediations.choices import choices_of
from remediations.models import RemedyRun, RemedyState, SensitiveRefusal
from remediations.services import cancel_remedy, refuse_sensitive, start_remedy
from tests.at_once import at_once
from tests.conftest import People, make_people
from tests.remediations.made import drafted
from tests.sample import policy_version
from trail.models import TrailEntry


def test_every_remedy_is_offered_with_its_time_or_its_reason(people: People) -> None:
    found = {one.spec.id: one for one in choices_of(drafted(people))}
    assert set(found) == {
        *("training.fine_tune", "training.from_scratch", "distillation.student", "adversarial.training")
    }
    assert all(one.reason is None and one.seconds is not None and one.seconds > 0 for one in found.values())
    assert "the training rows" in found["training.fine_tune"].needs


def test_without_training_rows_the_way_out_is_told(people: People) -> None:
    baseline = drafted(people, ("test",))
    for one in choices_of(baseline):
        assert one.reason is not None
        assert "learns from training rows, and gaussians 1 has none. Add a version of gaussians" in one.reason
        with pytest.raises(BadInput, match="begin from that audit"):
            start_remedy(baseline, one.spec.id, by=people.engineer)
    assert not Job.objects.of(people.organisation).filter(kind="remedy").exists()


def test_supplied_predictions_leave_training_from_scratch_alone(people: People) -> None:
    baseline = drafted(people, supplied=True)
    open_ = [one.spec.id for one in choices_of(baseline) if one.reason is None]
    assert open_ == ["training.from_scratch"]
    closed = next(one.reason for one in choices_of(baseline) if one.spec.id == "training.fine_tune")
    assert closed == "Fine-tuning needs a model that can be trained; it was given none."


def test_a_started_remedy_is_numbered_recorded_and_made_once_for_a_form_sent_twice(people: People) -> None:
    baseline, key = drafted(people), uuid.uuid4()
    made = [
        start_remedy(baseline, "training.fine_tune", {"epochs": 2}, by=people.engineer, key=key)
        for _ in range(2)
    ]
    assert made[0].pk == made[1].pk == key
    assert Job.objects.of(people.organisation).filter(kind="remedy").count() == 1
    second = start_remedy(baseline, "training.fine_tune", by=people.engineer)
    assert (made[0].number, second.number) == (1, 2)
    assert made[0].params["epochs"] == 2
    assert made[0].estimate_seconds < second.estimate_seconds
    assert TrailEntry.objects.filter(target_id=key, action="remedy.started").count() == 1


@pytest.mark.parametrize(
    ("remedy", "params", "seed", "sentence"),
    [
        ("training.fine_tun", {}, 0, 'no remedy "training.fine_tun". Close to it'),
        ("training.fine_tune", {"epochs": 0}, 0, "epochs"),
        ("training.fine_tune", {"epoch": 2}, 0, 'no parameter "epoch". Close to it: "epochs"'),
        ("training.fine_tune", {"reweigh": "sex"}, 0, "reweigh"),
        ("training.fine_tune", {}, -1, "The seed is -1; give a whole number from 0 to"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(
    people: People, remedy: str, params: dict[str, Any], seed: int, sentence: str
) -> None:
    with pytest.raises(AssayError) as caught:
        start_remedy(drafted(people), remedy, params, seed, by=people.engineer)
    assert sentence in caught.value.message


def test_a_baseline_without_result_and_a_foreign_finding_are_refused(people: People) -> None:
    baseline, other = drafted(people), drafted(people)
    finding = Finding.objects.create(
        organisation=people.organisation,
        number=1,
        system=other.system,
        key="k",
        title="Gap",
        pillar="fairness",
        severity="high",
    )
    with pytest.raises(BadInput, match="belongs to another system"):
        start_remedy(baseline, "training.fine_tune", by=people.engineer, finding=finding)
    baseline.snapshot_digest = ""
    with pytest.raises(BadInput, match="has no result"):
        start_remedy(baseline, "training.fine_tune", by=people.engineer)


@pytest.mark.parametrize("everywhere", [True, False])
def test_reading_sensitive_columns_at_decision_time_can_be_refused(people: People, everywhere: bool) -> None:
    baseline = drafted(people)
    policy = policy_version(people)
    baseline.policy = policy
    baseline.save()
    wish = {"use_sensitive": True}
    refuse_sensitive(
        people.organisation,
        everywhere=everywhere,
        policies=[] if everywhere else [policy.policy],
        by=people.owner,
    )
    who = "Your organisation" if everywhere else f"The policy {policy.policy}"
    with pytest.raises(BadInput, match=f"{who} refuses models that read sensitive columns"):
        start_remedy(baseline, "training.from_scratch", wish, by=people.engineer)
    start_remedy(baseline, "training.from_scratch", {"reweigh": ["sex"]}, by=people.engineer)
    refuse_sensitive(people.organisation, everywhere=False, policies=[], by=people.owner)
    start_remedy(baseline, "training.from_scratch", wish, by=people.engineer)
    assert not SensitiveRefusal.objects.of(people.organisation).exists()
    noted = TrailEntry.objects.filter(action="remedies.sensitive_refused")
    assert noted.filter(organisation_id=people.organisation.pk).count() == 2


def test_a_remedy_that_nobody_works_on_is_stopped_at_once_and_once(people: People) -> None:
    remedy = start_remedy(drafted(people), "training.fine_tune", by=people.engineer)
    cancel_remedy(remedy, by=people.engineer)
    remedy.refresh_from_db()
    assert (remedy.state, remedy.job.state) == (RemedyState.CANCELLED, JobState.CANCELLED)
    with pytest.raises(AssayError, match="ended already") as caught:
        cancel_remedy(remedy, by=people.engineer)
    assert caught.value.code == "conflict"
    assert RemedyRun.objects.of(people.organisation).count() == 1


def test_who_stops_a_remedy_waits_for_the_worker_that_commits_it(committed: None) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time, so nobody holds one row and waits for another")
    people = make_people()
    remedy = start_remedy(drafted(people), "training.fine_tune", by=people.engineer)
    taken = threading.Event()

    def commit() -> str:
        with transaction.atomic():
            lock(remedy.job)  # type: ignore[arg-type]
            taken.set()
            time.sleep(0.5)  # whoever stops it comes to the job's row and waits
            RemedyRun.unscoped.select_for_update().get(pk=remedy.pk)
        return "committed"

    def stop() -> str:
        assert taken.wait(30)
        cancel_remedy(remedy, by=people.engineer)
        return "stopped"

    assert at_once(commit, stop) == ["committed", "stopped"]
    remedy.refresh_from_db()
    assert remedy.state == RemedyState.CANCELLED
