"""A lived-in organisation for journeys, pictures and fuzzing: all of it really made."""

from __future__ import annotations

from typing import NamedTuple

from audits.models import Policy, PolicyVersion, Run
from audits.services import repeat_run
from compliance.models import Review
from tests import factory
from tests.conftest import People, make_people

__all__ = ["Sample", "build"]


class Sample(NamedTuple):
    """What `build` made."""

    people: People
    run: Run
    waiting: Review
    """A review that waits for a reviewer, of a version that was repaired."""
    taken: Review
    """A review that the reviewer has in hand."""
    approved: Review


def policy_version(people: People, pack: str = "general", name: str = "") -> PolicyVersion:
    """A built-in pack as a policy of the organisation."""
    from hashlib import sha256

    from assay.policy import load_policy

    content, toml = load_policy(pack)
    policy = Policy.objects.create(organisation=people.organisation, name=name or content.title)
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
    return Sample(people, run, *reviews(people))


def reviews(people: People) -> tuple[Review, Review, Review]:
    """One that waits, one in hand and one approved (its version deployed), all through the services."""
    from compliance.attesting import attest
    from compliance.stages import change_stage
    from tests.compliance.made import approved, in_review, strict_policy, submitted

    policy = strict_policy(people, "Lending <1.2>")
    system = factory.system(people, "Credit line")
    model = factory.predictions_version(system, people.engineer)
    run = factory.measured_run(people, model=model, policy=policy)
    done = approved(people, run)
    for stage in ("approved", "deployed"):
        change_stage(model, stage, people.reviewer)
    attest(system, "EU AI Act", "Art.9(2)(a)", "The register of risks, kept by credit risk.", by=people.owner)
    repaired = repeat_run(run, factory.predictions_version(system, people.engineer), by=people.engineer)
    factory.run_jobs()
    repaired.refresh_from_db()
    waiting = submitted(people, repaired)
    taken = in_review(people, factory.measured_run(people, policy=policy))
    return waiting, taken, done
