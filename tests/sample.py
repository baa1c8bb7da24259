"""A lived-in organisation for journeys, pictures and fuzzing: all of it really made."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from audits.models import Policy, PolicyVersion, Run
from jobs.models import Schedule, Shard
from jobs.schedule_services import Wish, create_schedule, pause
from jobs.schedules import fire_now, now, tick
from remediations.models import RemedyRun
from remediations.services import start_remedy
from tests import factory
from tests.conftest import People, make_people
from tests.remediations.made import audited

__all__ = ["Sample", "build"]


class Sample(NamedTuple):
    """What `build` made."""

    people: People
    run: Run
    learnt: Run
    """An audit whose data has training rows."""
    remedy: RemedyRun
    """Done: fine-tuned, audited, let through or not."""
    working: RemedyRun
    """In the middle of its training."""
    schedule: Schedule


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
    learnt, remedy, working = _remedies(people, run)
    return Sample(people, run, learnt, remedy, working, _schedules(people, run))


def _remedies(people: People, run: Run) -> tuple[Run, RemedyRun, RemedyRun]:
    """A remedy that is done, and one that works."""
    learnt = audited(people, policy=run.policy)
    remedy = start_remedy(
        learnt,
        "training.fine_tune",
        {"epochs": 20, "learning_rate": 0.02},
        by=people.engineer,
        finding=learnt.findings.order_by("number").first(),
    )
    factory.run_jobs()
    working = start_remedy(learnt, "training.from_scratch", {}, by=people.engineer)
    RemedyRun.unscoped.filter(pk=working.pk).update(state="running")
    Shard.objects.filter(job=working.job).update(
        state="leased",
        claimable_at=4e9,
        attempts=1,
        progress=0.42,
        doing="training",
        checkpoint={"epoch": 8, "epochs": 20, "done": 0.42},
    )
    return learnt, remedy, working


def _schedules(people: People, run: Run) -> Schedule:
    """One that ran, one that could not start, one that waits for a version, one that is paused."""
    request = {
        "model": str(run.subject.model_version.model_id),
        "dataset": str(run.subject.dataset_version.dataset_id),
        "policy": str(run.policy.policy_id) if run.policy else None,
        "tier": "quick",
        "methods": ["fairness.group_rates"],
    }

    def make(name: str, when: str = "cron", cron: str = "0 3 * * *") -> Schedule:
        wish = Wish(name, "audit", when, cron, "once", request)
        return create_schedule(people.organisation, wish, by=people.engineer)

    nightly = make("Nightly audit")
    Schedule.unscoped.filter(pk=nightly.pk).update(next_at=now() - timedelta(days=2, hours=5))
    tick()
    factory.run_jobs()
    make("On each new version", "new_version")
    pause(make("Monthly deep audit", cron="0 4 1 * *"), by=people.engineer)
    failing = make("Hourly check", cron="0 * * * *")
    Schedule.unscoped.filter(pk=failing.pk).update(request={**request, "policy": str(failing.pk)})
    fire_now(failing, by=people.operator, seen=0)
    return nightly
