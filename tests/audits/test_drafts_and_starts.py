"""A draft may be changed and deleted; what was started is fixed, once, and never changes."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from assay.errors import AssayError, BadInput, BadParams
from audits.models import PolicyVersion, Run, RunState
from audits.planning import evidence_of
from audits.policies import adopt_pack, new_policy_version
from audits.services import (
    cancel_run,
    change_draft,
    delete_draft,
    draft_run,
    repeat_run,
    start_run,
    try_again,
)
from jobs.models import Job
from jobs.worker import Slot
from tests import factory
from tests.conftest import People, make_people
from trail.models import TrailEntry


def drafted(people: People, **more: Any) -> Run:
    """A draft of supplied predictions whose subject has been read."""
    system = factory.system(people, f"System {people.organisation.slug} {len(more)}")
    run = draft_run(
        factory.predictions_version(system, people.engineer),
        factory.data_version(system, people.engineer),
        by=people.engineer,
        tier="quick",
        **more,
    )
    factory.run_jobs()
    run.subject.refresh_from_db()
    return run


def finish(run: Run) -> Run:
    factory.run_jobs()
    run.refresh_from_db()
    return run


def test_the_policy_that_was_fixed_judges_whatever_happens_to_it_afterwards(committed: None) -> None:
    people = make_people()
    policy = adopt_pack(people.organisation, "general", people.engineer)
    run = drafted(people, policy=policy)
    start_run(run, by=people.engineer)
    new_policy_version(policy.policy, policy.toml.replace('"1.0"', '"2.0"'), people.engineer)
    tampered = {**policy.content, "rules": policy.content["rules"][:1]}
    PolicyVersion.unscoped.filter(pk=policy.pk).update(content=tampered)
    finish(run)
    evidence = evidence_of(run)
    assert evidence.plan.plan_sha256 == run.plan_sha256
    assert evidence.plan.policy_sha256 == policy.sha256
    assert {v.rule for v in evidence.verdicts} == {r["id"] for r in policy.content["rules"]}


def test_a_plan_that_is_changed_after_it_was_fixed_gives_no_result(committed: None) -> None:
    people = make_people()
    run = drafted(people)
    start_run(run, by=people.engineer)
    run.refresh_from_db()
    plan = run.plan or {}
    Run.unscoped.filter(pk=run.pk).update(plan={**plan, "seed": 99})
    finish(run)
    assert (run.state, run.snapshot_digest) == ("failed", "")
    assert "changed after it was fixed" in run.reason


def test_a_started_run_is_neither_changed_nor_deleted_nor_started_again(committed: None) -> None:
    people = make_people()
    run = drafted(people)
    start_run(run, by=people.engineer)
    for attempt in (
        lambda: change_draft(run, seed=3),
        lambda: delete_draft(run),
        lambda: start_run(run, by=people.engineer),
    ):
        with pytest.raises(AssayError, match="runs already") as refused:
            attempt()
        assert refused.value.code == "conflict"
    assert Job.objects.of(people.organisation).filter(kind="audit").count() == 1


def test_two_starts_at_once_start_it_once(committed: None) -> None:
    people = make_people()
    run = drafted(people)
    barrier, outcomes = threading.Barrier(2), []

    def begin() -> None:
        try:
            barrier.wait()
            start_run(Run.unscoped.get(pk=run.pk), by=people.engineer)
            outcomes.append("started")
        except AssayError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict", "started"]
    started = TrailEntry.objects.filter(organisation_id=people.organisation.pk, action="run.started")
    assert started.count() == Job.objects.of(people.organisation).filter(kind="audit").count() == 1
    assert finish(run).state == "done"


def test_two_drafts_at_once_get_numbers_of_their_own(committed: None) -> None:
    people = make_people()
    system = factory.system(people)
    model = factory.predictions_version(system, people.engineer)
    data = factory.data_version(system, people.engineer)
    barrier, errors = threading.Barrier(3), []

    def make() -> None:
        try:
            barrier.wait()
            draft_run(model, data, by=people.engineer)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    numbers = Run.objects.of(people.organisation).values_list("number", flat=True)
    assert sorted(numbers) == [1, 2, 3]
    assert Job.objects.of(people.organisation).filter(kind="subject").count() == 1


def test_only_the_plan_that_was_seen_is_started(committed: None) -> None:
    people = make_people()
    run = drafted(people)
    from audits.planning import make_run_plan

    seen = make_run_plan(run).plan_sha256
    change_draft(run, seed=7)
    with pytest.raises(AssayError, match="no longer the one that you saw"):
        start_run(run, by=people.engineer, seen=seen)
    run.refresh_from_db()
    start_run(run, by=people.engineer, seen=make_run_plan(run).plan_sha256)


def test_a_draft_can_be_changed_and_deleted(committed: None) -> None:
    people = make_people()
    run = drafted(people)
    changed = change_draft(
        run,
        title="  Before the release  ",
        tier="deep",
        methods=["performance.classification"],
        params={"performance.classification": {"level": 0.9}},
    )
    assert (changed.title, changed.tier, changed.methods) == (
        "Before the release",
        "deep",
        ["performance.classification"],
    )
    delete_draft(changed)
    assert not Run.objects.of(people.organisation).exists()
    with pytest.raises(AssayError, match="deleted in the meantime"):
        start_run(changed, by=people.engineer)


def test_what_cannot_be_asked_for_is_refused_when_it_is_asked_for(people: People) -> None:
    system = factory.system(people)
    model = factory.predictions_version(system, people.engineer)
    data = factory.data_version(system, people.engineer)
    wrong: list[tuple[dict[str, Any], type[AssayError], str]] = [
        ({"tier": "thorough"}, BadInput, "no tier"),
        ({"seed": -1}, BadInput, "whole number"),
        ({"seed": 2**60}, BadInput, "whole number"),
        ({"methods": []}, BadInput, "No method"),
        ({"methods": ["fairness.group_rate"]}, BadInput, "fairness.group_rates"),
        ({"params": {"fairness.group_rates": {"level": 2}}}, BadParams, "level"),
        ({"params": {"fairness.group_rates": {"levels": 0.9}}}, BadParams, "level"),
        ({"title": "a\x00b"}, BadInput, "title"),
    ]
    for request, kind, words in wrong:
        with pytest.raises(kind, match=words):
            draft_run(model, data, by=people.engineer, **request)
    assert not Run.objects.of(people.organisation).exists()


def test_a_baseline_of_another_system_or_without_result_is_refused(committed: None) -> None:
    people = make_people()
    unmeasured, other = drafted(people), factory.measured_run(people)
    version, data = unmeasured.subject.model_version, unmeasured.subject.dataset_version
    with pytest.raises(BadInput, match="no result"):
        draft_run(version, data, by=people.engineer, baseline=unmeasured)
    with pytest.raises(BadInput, match="another system"):
        draft_run(version, data, by=people.engineer, baseline=other)


def test_a_run_is_done_again_as_a_new_draft_with_the_same_request(committed: None) -> None:
    people = make_people()
    run = drafted(people, methods=["performance.classification"], seed=5)
    start_run(run, by=people.engineer)
    cancel_run(run, by=people.engineer)
    factory.run_jobs()
    run.refresh_from_db()
    assert (run.state, run.snapshot_digest) == ("cancelled", "")
    again = try_again(run, by=people.engineer)
    assert (again.state, again.number) == (RunState.DRAFT, run.number + 1)
    assert (again.methods, again.seed, again.tier) == (run.methods, run.seed, run.tier)
    start_run(again, by=people.engineer)
    assert finish(again).state == "done"
    with pytest.raises(AssayError, match="ended already"):
        cancel_run(again, by=people.engineer)


def test_a_run_that_waits_for_its_data_can_be_cancelled_before_it_starts(committed: None) -> None:
    people = make_people()
    system = factory.system(people)
    run = draft_run(
        factory.predictions_version(system, people.engineer),
        factory.data_version(system, people.engineer),
        by=people.engineer,
        start_when_ready=True,
    )
    cancel_run(run, by=people.engineer)
    factory.run_jobs()
    run.refresh_from_db()
    assert (run.state, run.plan) == ("cancelled", None)


def test_data_that_cannot_be_read_fails_the_runs_that_wait_for_it_with_the_reason(committed: None) -> None:
    people = make_people()
    system = factory.system(people)
    model = factory.predictions_version(system, people.engineer)
    data = factory.data_version(system, people.engineer, label="defaulted")
    waiting = draft_run(model, data, by=people.engineer, start_when_ready=True)
    draft = draft_run(model, data, by=people.engineer)
    factory.run_jobs()
    waiting.refresh_from_db()
    draft.refresh_from_db()
    assert (waiting.state, draft.state) == ("failed", "draft")
    assert "defaulted" in waiting.reason
    with pytest.raises(BadInput, match="defaulted"):
        start_run(draft, by=people.engineer)


def test_a_worker_that_stops_in_the_middle_is_followed_by_another_with_the_same_result(
    committed: None,
) -> None:
    people = make_people()
    whole = drafted(people)
    start_run(whole, by=people.engineer)
    finish(whole)
    halved = try_again(whole, by=people.engineer)
    start_run(halved, by=people.engineer)
    first = Slot(["cpu"])
    assert first.work(limit=2) == 2
    first.close()
    halved.refresh_from_db()
    assert halved.state == "running"
    finish(halved)
    assert (halved.state, halved.result_digest) == ("done", whole.result_digest)


def test_a_method_that_fails_leaves_the_others_measured_and_the_run_incomplete(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.runner.supervisor import Supervisor

    run_shard = Supervisor.run

    def failing(self: Supervisor, shard: Any, *more: Any) -> Any:
        if shard.method == "fairness.group_rates":
            raise BadInput("This table cannot be grouped.")
        return run_shard(self, shard, *more)

    monkeypatch.setattr(Supervisor, "run", failing)
    people = make_people()
    run = drafted(people, policy=adopt_pack(people.organisation, "general", people.engineer))
    start_run(run, by=people.engineer)
    finish(run)
    assert run.state == "incomplete"
    assert run.reason == "Rates by group: Failed: This table cannot be grouped."
    assert run.outcome in ("fail", "insufficient")
    evidence = evidence_of(run)
    assert any(m.id == "performance.accuracy" and m.value is not None for m in evidence.measures)
    assert [n.reason for n in evidence.not_tested if n.method == "fairness.group_rates"] == [
        "Failed: This table cannot be grouped."
    ]


def test_a_repeated_plan_takes_everything_over(committed: None) -> None:
    people = make_people()
    run = drafted(people, seed=4, params={"performance.classification": {"level": 0.9}})
    start_run(run, by=people.engineer)
    finish(run)
    other = factory.predictions_version(run.system, people.engineer)
    again = repeat_run(run, other, by=people.engineer)
    finish(again)
    assert (again.state, again.baseline_id, again.seed) == ("done", run.pk, 4)
    plans = [[(m["id"], m["params"]) for m in (r.plan or {})["methods"]] for r in (run, again)]
    assert plans[0] == plans[1]
