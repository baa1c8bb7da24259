"""A lived-in organisation for journeys, pictures and fuzzing: all of it really made through the services."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from audits.models import PolicyVersion, Run
from jobs.worker import Slot
from tests import factory
from tests.conftest import People, make_people
from tests.sample_intake import taken_in
from tests.warm import warm_children

__all__ = ["Sample", "biased_pair", "build", "policy_version"]

Rows = dict[str, Any]


class Sample(NamedTuple):
    """What `build` made: people, one measured run, and rows by name."""

    people: People
    run: Run
    rows: Rows

    def names(self) -> dict[str, str]:
        """Ids by name, for addresses: org, each person, each row."""
        people = {name: str(person.pk) for name, person in self.people._asdict().items()}
        rows = {name: str(row.pk) for name, row in self.rows.items()}
        found = {**people, **rows, "run": str(self.run.pk), "org": self.people.organisation.slug}
        return found | {"code": self.rows["report"].verification_code}


def policy_version(people: People, pack: str = "general", name: str = "") -> PolicyVersion:
    """A built-in pack as a policy of the organisation."""
    from audits.policies import adopt_pack

    made = adopt_pack(people.organisation, pack, people.engineer)
    if name:
        made.policy.name = name
        made.policy.save(update_fields=["name"])
    return made


def build() -> Sample:
    """An organisation with audits in every state, remedies, schedules, reviews and reports."""
    people = make_people()
    policy = policy_version(people)
    run, rows = _audits(people, policy)
    rows |= (
        taken_in(people)
        | _remedies(people, policy)
        | _schedules(people, run)
        | _reviews(people)
        | _reports(people, run)
    )
    factory.run_jobs()
    rows["running"] = _half_done(people, rows, policy)
    return Sample(people, run, rows)


def biased_pair(people: People, policy: PolicyVersion, rows: int = 3_000) -> tuple[Run, Run]:
    """Two audits of predictions for the same people: biased, then less, the second against the first."""
    system = factory.system(people, "Card limit")
    made: list[Run] = []
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


def _audits(people: People, policy: PolicyVersion) -> tuple[Run, Rows]:
    """A measured run of a model; a draft, a refused and a cancelled one; a biased pair with findings."""
    from audits.services import cancel_run, draft_run

    system = factory.system(people)
    model = factory.model_version(system, people.engineer)
    data = factory.data_version(system, people.engineer)
    run = factory.measured_run(people, model=model, policy=policy, data=data)
    second = factory.model_version(system, people.engineer, weight=0.5)
    draft = draft_run(second, data, by=people.engineer, policy=policy, tier="quick")
    predictions = factory.predictions_version(system, people.engineer)
    bad = factory.data_version(system, people.engineer, rows=50, label="defaulted")
    refused = draft_run(predictions, bad, by=people.engineer, policy=policy)
    factory.run_jobs()
    cancelled = draft_run(second, data, by=people.engineer, policy=policy, start_when_ready=True)
    cancel_run(cancelled, by=people.engineer)
    biased, mended = biased_pair(people, policy)
    return run, {
        "system": system,
        "model_version": model,
        "second": second,
        "dataset_version": data,
        "draft": draft,
        "refused": refused,
        "cancelled": cancelled,
        "policy": policy.policy,
        "biased": biased,
        "mended": mended,
        "finding": biased.findings.order_by("number")[0],
    }


def _half_done(people: People, rows: Rows, policy: PolicyVersion) -> Run:
    """Some of its shards are done; no worker goes on with it."""
    from audits.services import draft_run

    second, data = rows["second"], rows["dataset_version"]
    running = draft_run(second, data, by=people.engineer, policy=policy, start_when_ready=True)
    slot = Slot(["cpu"])
    with warm_children():
        slot.work(limit=4)
    slot.close()
    return running


def _remedies(people: People, policy: PolicyVersion) -> Rows:
    """A remedy that is done (fine-tuned, audited, judged by the gate), and one that trains."""
    from jobs.models import Shard
    from remediations.models import RemedyRun
    from remediations.services import start_remedy
    from tests.remediations.made import audited

    learnt = audited(people, policy=policy)
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
        # a worker that went to sleep holds it for a day
        claimable_at=_in_a_day(),
        attempts=1,
        progress=0.42,
        doing="training",
        checkpoint={"epoch": 8, "epochs": 20, "done": 0.42},
    )
    return {"learnt": learnt, "remedy": remedy, "working": working}


def _in_a_day() -> float:
    from jobs.clock import database_seconds

    return database_seconds() + 86_400


def _schedules(people: People, run: Run) -> Rows:
    """One that ran, one that could not start, one that waits for a version, one that is paused."""
    from jobs.models import Schedule
    from jobs.schedule_services import Wish, create_schedule, pause
    from jobs.schedules import fire_now, now, tick

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
    return {"schedule": nightly}


def _reviews(people: People) -> Rows:
    """One that waits for a reviewer, one in hand, and one approved, whose version is deployed."""
    from audits.services import repeat_run
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
    return {"waiting": waiting, "taken": taken, "approved": done}


def _reports(people: People, run: Run) -> Rows:
    """The three editions of a run's report; the countersigned one."""
    from tests.reports.builders import add_reports

    return {"report": add_reports(people, run)}
