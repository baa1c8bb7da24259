"""A lived-in organisation for journeys, pictures and fuzzing: all of it really made."""

from __future__ import annotations

from typing import NamedTuple

from audits.models import Policy, PolicyVersion, Run
from reports.models import Document
from tests import factory
from tests.conftest import People, make_people
from tests.reports.builders import add_reports

__all__ = ["Sample", "build"]


class Sample(NamedTuple):
    """What `build` made."""

    people: People
    run: Run
    report: Document
    """Countersigned."""


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


def build() -> Sample:
    """An organisation with an audited model."""
    people = make_people()
    system = factory.system(people)
    model = factory.model_version(system, people.engineer)
    run = factory.measured_run(people, model=model, policy=policy_version(people))
    report = add_reports(people, run)
    return Sample(people, run, report)
