"""A lived-in organisation for journeys, pictures and fuzzing: all of it really made."""

from __future__ import annotations

from typing import NamedTuple

from audits.models import Policy, PolicyVersion, Run
from tests import factory
from tests.conftest import People, make_people

__all__ = ["Sample", "biased_pair", "build", "policy_version"]


class Sample(NamedTuple):
    """What `build` made."""

    people: People
    run: Run
    biased: Run
    """Predictions that favour men: rules fail, so there are findings."""
    mended: Run
    """The same people, predicted with less of a gap, compared with `biased`: some rules fail still."""


def policy_version(people: People, pack: str = "general") -> PolicyVersion:
    """A built-in pack as a policy of the organisation."""
    from hashlib import sha256

    from assay.policy import load_policy

    content, toml = load_policy(pack)
    policy = Policy.objects.create(organisation=people.organisation, name=content.title)
    made: PolicyVersion = PolicyVersion.objects.create(
        organisation=people.organisation,
        policy=policy,
        number=1,
        toml=toml.decode(),
        sha256=sha256(toml).hexdigest(),
        content=content.model_dump(mode="json"),
        created_by=people.engineer,
    )
    return made


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
    """An organisation with an audited model."""
    people = make_people()
    system = factory.system(people)
    model = factory.model_version(system, people.engineer)
    policy = policy_version(people)
    run = factory.measured_run(people, model=model, policy=policy)
    return Sample(people, run, *biased_pair(people, policy))
