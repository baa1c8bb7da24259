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
    biased: Run
    """Predictions that favour men: rules fail, so there are findings."""
    mended: Run
    """The same people, predicted with less of a gap, compared with `biased`: some rules fail still."""

    def names(self) -> dict[str, str]:
        """Ids by name, for addresses: org, each person, each row, and a finding."""
        people = {name: str(person.pk) for name, person in self.people._asdict().items()}
        rows = {name: str(row.pk) for name, row in self._asdict().items() if name != "people"}
        found = {**people, **rows, "org": self.people.organisation.slug}
        found["policy"] = str(self.policy.policy_id)
        found["finding"] = str(self.biased.findings.order_by("number")[0].pk)
        return found


def policy_version(people: People, pack: str = "general") -> PolicyVersion:
    """A built-in pack as a policy of the organisation."""
    from audits.policies import adopt_pack

    return adopt_pack(people.organisation, pack, people.engineer)


def biased_pair(people: People, policy: PolicyVersion, rows: int = 3_000) -> tuple[Run, Run]:
    """Two audits of predictions for the same people: biased, then less, the second against the first."""
    system = factory.system(people, "Card limit")
    made = []
    for gap in (3.0, 1.0):
        made.append(
            factory.measured_run(
                people,
                policy=policy,
                model=factory.predictions_version(system, people.engineer),
                data=factory.data_version(system, people.engineer, rows, gap),
                baseline=made[0] if made else None,
            )
        )
    return made[0], made[1]


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
    biased, mended = biased_pair(people, policy)
    running = draft_run(second, data, by=people.engineer, policy=policy, start_when_ready=True)
    slot = Slot(["cpu"])
    slot.work(limit=4)
    slot.close()
    return Sample(people, run, draft, refused, cancelled, running, policy, biased, mended)
