"""A lived-in organisation for journeys, pictures and fuzzing: all of it really made."""

from __future__ import annotations

from typing import NamedTuple

from audits.models import PolicyVersion, Run
from jobs.worker import Slot
from tests import factory
from tests.conftest import People, make_people

__all__ = ["Sample", "build"]


class Sample(NamedTuple):
    """What `build` made."""

    people: People
    run: Run
    draft: Run
    """A draft of a second model version, whose plan waits to be started."""
    refused: Run
    """A draft whose data cannot be audited."""
    cancelled: Run
    running: Run
    """Some of its shards are done; no worker goes on with it."""
    policy: PolicyVersion


def policy_version(people: People, pack: str = "general") -> PolicyVersion:
    """A built-in pack as a policy of the organisation."""
    from audits.policies import adopt_pack

    return adopt_pack(people.organisation, pack, people.engineer)


def build() -> Sample:
    """An organisation with an audited model, and audits in every other state."""
    from audits.services import cancel_run, draft_run

    people = make_people()
    system = factory.system(people)
    model = factory.model_version(system, people.engineer)
    policy = policy_version(people)
    data = factory.data_version(system, people.engineer)
    run = factory.measured_run(people, model=model, policy=policy, data=data)
    second = factory.model_version(system, people.engineer, weight=0.5)
    draft = draft_run(second, data, by=people.engineer, policy=policy, tier="quick")
    predictions = factory.predictions_version(system, people.engineer)
    bad = factory.data_version(system, people.engineer, rows=50, label="defaulted")
    refused = draft_run(predictions, bad, by=people.engineer, policy=policy)
    factory.measured_run(people, model=predictions, data=data)
    factory.run_jobs()
    cancelled = draft_run(second, data, by=people.engineer, policy=policy, start_when_ready=True)
    cancel_run(cancelled, by=people.engineer)
    factory.run_jobs()
    running = draft_run(second, data, by=people.engineer, policy=policy, start_when_ready=True)
    slot = Slot(["cpu"])
    slot.work(limit=4)
    slot.close()
    return Sample(people, run, draft, refused, cancelled, running, policy)
