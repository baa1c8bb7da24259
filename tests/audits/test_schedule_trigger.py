"""The trigger `audit`: the latest versions, the last comparable run as baseline, once for a new version."""

from __future__ import annotations

from typing import Any

import pytest

from audits.models import Run
from jobs.models import Schedule
from jobs.schedule_services import Wish, create_schedule, pause
from jobs.schedules import fire_now
from models_registry.models import DatasetVersion, ModelVersion
from models_registry.signals import version_changed
from tests import factory
from tests.conftest import People, make_people
from tests.sample import policy_version


def scheduled(people: People, system: Any, when: str = "cron", policy: Any = None) -> Schedule:
    request = {
        "model": str(system.models.get().pk),
        "dataset": str(system.datasets.get().pk),
        "policy": str(policy.policy_id) if policy else None,
        "tier": "quick",
        "methods": ["fairness.group_rates"],
    }
    wish = Wish("nightly", "audit", when, "0 3 * * *", "once", request)
    return create_schedule(people.organisation, wish, by=people.engineer)


def test_an_audit_runs_and_the_next_one_is_compared_with_it(committed: None) -> None:
    people = make_people()
    system = factory.system(people)
    factory.predictions_version(system, people.engineer)
    factory.data_version(system, people.engineer)
    policy = policy_version(people)
    schedule = scheduled(people, system, policy=policy)
    runs = []
    for _ in range(2):
        firing = fire_now(schedule, by=people.operator, seen=runs[-1][1] if runs else 0)
        assert (firing.state, firing.reason) == ("started", f"Started by hand by {people.operator}.")
        factory.run_jobs()
        runs.append((Run.unscoped.get(pk=firing.made_id), firing.pk))
    (first, _), (second, _) = runs
    assert (first.state, first.tier, first.policy, first.baseline) == ("done", "quick", policy, None)
    assert (second.state, second.baseline, second.trigger) == ("done", first, "schedule")
    assert [m["id"] for m in second.plan["methods"]] == ["fairness.group_rates"]
    # New data: nothing to compare with, and the latest is taken.
    newer = factory.data_version(system, people.engineer)
    third = Run.unscoped.get(pk=fire_now(schedule, by=people.operator, seen=runs[-1][1]).made_id)
    assert (third.subject.dataset_version, third.baseline) == (newer, None)
    pause(schedule, by=people.engineer)


@pytest.mark.parametrize("when", ["new_version", "new_data"])
def test_a_version_that_arrives_is_audited_once(people: People, when: str) -> None:
    system = factory.system(people)
    version = factory.predictions_version(system, people.engineer)
    data = factory.data_version(system, people.engineer, rows=40)
    schedule = scheduled(people, system, when)
    for _ in range(2):
        version_changed.send(ModelVersion, version=version)
        version_changed.send(DatasetVersion, version=data)
    firing = schedule.firings.get()
    assert firing.cause == (version.pk if when == "new_version" else data.pk)
    assert Run.objects.of(people.organisation).get().pk == firing.made_id
    # Of another model or dataset, or not ready, promoted, a remedy's, or swapped behind its address: nothing.
    other = factory.system(people, "another")
    version_changed.send(ModelVersion, version=factory.predictions_version(other, people.engineer))
    version_changed.send(DatasetVersion, version=factory.data_version(other, people.engineer, rows=40))
    for change in (
        {"state": "waiting"},
        {"stage": "deployed"},
        {"lineage": {"remedy": "x"}},
        {"swapped": "Another model answers."},
    ):
        found = factory.predictions_version(system, people.engineer)
        for name, value in change.items():
            setattr(found, name, value)
        version_changed.send(ModelVersion, version=found)
    assert schedule.firings.count() == 1


@pytest.mark.parametrize("when", ["new_version", "new_data"])
def test_the_version_that_arrived_is_audited_whatever_was_read_before_it(people: People, when: str) -> None:
    system = factory.system(people)
    versions = [factory.predictions_version(system, people.engineer) for _ in range(2)]
    data = [factory.data_version(system, people.engineer, rows=rows) for rows in (40, 50)]
    schedule = scheduled(people, system, when)
    for place in (1, 0):
        version_changed.send(ModelVersion, version=versions[place])
        version_changed.send(DatasetVersion, version=data[place])
    subjects = [
        Run.objects.of(people.organisation).get(pk=key).subject
        for key in schedule.firings.order_by("pk").values_list("made_id", flat=True)
    ]
    arrived = [found.model_version if when == "new_version" else found.dataset_version for found in subjects]
    latest = [found.dataset_version if when == "new_version" else found.model_version for found in subjects]
    assert arrived == list(reversed(versions if when == "new_version" else data))
    assert latest == [(data if when == "new_version" else versions)[1]] * 2


def test_what_cannot_be_done_is_said_on_the_schedule(people: People) -> None:
    system = factory.system(people)
    version = factory.predictions_version(system, people.engineer)
    factory.data_version(system, people.engineer, rows=40)
    schedule = scheduled(people, system)
    DatasetVersion.unscoped.filter(dataset__system=system).update(state="refused")
    firing = fire_now(schedule, by=people.engineer, seen=0)
    assert (firing.state, firing.made_id) == ("failed", None)
    assert "The dataset has no version that is ready; add one." in firing.reason
    ModelVersion.unscoped.filter(pk=version.pk).update(state="refused")
    firing = fire_now(schedule, by=people.engineer, seen=firing.pk)
    assert "The model has no version that is ready; register one." in firing.reason
    assert not Run.objects.of(people.organisation).exists()


def test_a_schedule_waits_for_its_model_however_its_id_is_spelt(people: People) -> None:
    system = factory.system(people)
    version = factory.predictions_version(system, people.engineer)
    data = factory.data_version(system, people.engineer, rows=40)
    request = {"model": str(version.model_id).upper(), "dataset": data.dataset_id.hex}
    for when in ("new_version", "new_data"):
        wish = Wish(when, "audit", when, request=request)
        assert create_schedule(people.organisation, wish, by=people.engineer).request == {
            "model": str(version.model_id),
            "dataset": str(data.dataset_id),
        }
    version_changed.send(ModelVersion, version=version)
    version_changed.send(DatasetVersion, version=data)
    assert [schedule.firings.count() for schedule in Schedule.objects.of(people.organisation)] == [1, 1]
