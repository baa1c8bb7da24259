"""Home tells each role what needs them, in a fixed number of queries however much there is."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from audits.models import Finding, Run
from compliance.models import Review
from jobs.models import Firing, Job, Schedule, Shard, Worker
from models_registry.models import IntakeState, Subject
from tests import factory
from tests.conftest import People

AsUser = Callable[[User], Client]
ROLES = ("owner", "engineer", "reviewer", "auditor", "operator")


def _fill(people: People, times: int) -> None:
    """Something of everything that a home shows, `times` times."""
    here = people.organisation
    system = factory.system(people, f"Loans {times}")
    subject = Subject.objects.create(
        organisation=here,
        model_version=factory.predictions_version(system, people.engineer),
        dataset_version=factory.data_version(system, people.engineer, rows=20),
    )
    now, first = timezone.now(), Run.objects.of(here).count()
    schedule = Schedule.objects.create(
        organisation=here, name="Nightly", trigger="audit", target_id=system.pk, created_by=people.operator
    )

    def run(number: int, **values: Any) -> Run:
        made: Run = Run.objects.create(
            organisation=here,
            number=number,
            system=system,
            subject=subject,
            title="Loans",
            created_by=people.engineer,
            **values,
        )
        return made

    for index in range(times):
        at = first + index * 10
        run(at + 1)
        run(at + 2, state="running")
        run(at + 3, state="failed", ended_at=now)
        for offset, state in enumerate(("submitted", "in_review", "changes", "approved"), 4):
            taken = state != "submitted"
            Review.objects.create(
                organisation=here,
                number=at + offset,
                run=run(at + offset, state="done", outcome="fail", ended_at=now),
                snapshot_digest="0" * 64,
                state=state,
                requested_by=people.engineer,
                reviewer=people.reviewer if taken else None,
                decided_at=now if state in ("changes", "approved") else None,
                stale_at=now if state == "approved" else None,
                stale_reason="The model changed." if state == "approved" else "",
            )
        Finding.objects.create(
            organisation=here,
            number=at + 1,
            system=system,
            key=f"{times}-{index}",
            title="Impact ratio, Female / Male",
            pillar="fairness",
            severity="critical",
            owner=people.engineer,
            due=datetime.date(2027, 1, 5),
        )
        job = Job.objects.create(
            organisation=here,
            kind="audit",
            target_id=here.pk,
            state="failed",
            reason="Out of disk.",
            ended_at=now,
        )
        Shard.objects.create(job=job, stage=0, index=0, queue="cpu", claimable_at=1.0)
        Firing.objects.create(
            schedule=schedule,
            fire_at=now + datetime.timedelta(seconds=index + times),
            state="failed",
            reason="No version.",
        )
        Worker.objects.create(
            name=f"w{times}-{index}", queues="cpu", slots=1, started_at=0, seen_at=now.timestamp()
        )


SAYS = {
    "owner": (
        "approval is stale",
        "serious finding is open",
        "Members without a second factor",
        "The model changed.",
    ),
    "engineer": (
        "review came back to you",
        "open finding is yours",
        "draft waits for its start",
        "Changes requested",
    ),
    "reviewer": ("audit waits for a reviewer", "review is on your desk", "Latest decisions"),
    "auditor": ("decisions in the last 30 days", "Latest in the trail", "Organisation created"),
    "operator": ("job failed in the last 30 days", "Out of disk.", "No version.", "w1-0"),
}


@pytest.mark.parametrize("role", ROLES)
def test_home_says_what_needs_the_person(people: People, as_user: AsUser, role: str) -> None:
    _fill(people, 1)
    page = as_user(getattr(people, role)).get(f"/o/{people.organisation.slug}/").content.decode()
    for words in SAYS[role]:
        assert words in page, words
    assert "5 Jan 2027" in page or role in ("reviewer", "operator")


@pytest.mark.parametrize(
    ("role", "says"),
    [
        ("owner", "1 serious finding is open"),
        ("engineer", "1 open finding is yours"),
        ("auditor", "1 finding is open"),
    ],
)
def test_home_counts_a_finding_whose_acceptance_has_ended(
    people: People, as_user: AsUser, role: str, says: str
) -> None:
    _fill(people, 1)
    Finding.objects.of(people.organisation).update(state="accepted", accepted_until=datetime.date(2020, 1, 1))
    page = as_user(getattr(people, role)).get(f"/o/{people.organisation.slug}/").content.decode()
    assert says in page


@pytest.mark.parametrize("role", ROLES)
def test_home_asks_the_database_as_often_for_much_as_for_little(
    people: People, as_user: AsUser, role: str
) -> None:
    client = as_user(getattr(people, role))
    url = f"/o/{people.organisation.slug}/"
    _fill(people, 1)
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(url)
    _fill(people, 8)
    with CaptureQueriesContext(connection) as many:
        client.get(url)
    print(role, len(many))
    assert len(few) == len(many)
    assert len(many) <= 18


@pytest.mark.parametrize("role", ROLES)
def test_a_new_organisation_is_shown_its_first_three_steps(
    people: People, as_user: AsUser, role: str
) -> None:
    client = as_user(getattr(people, role))
    page = client.get(f"/o/{people.organisation.slug}/").content.decode()
    assert "Describe an AI system" in page
    assert ("Register a system" in page) == (role in ("owner", "engineer")), "a button for those who may"
    factory.system(people)
    page = client.get(f"/o/{people.organisation.slug}/").content.decode()
    assert '<li class="done"><h2>Describe an AI system' in page


def test_bringing_model_and_data_is_done_once_both_are_ready(people: People, as_user: AsUser) -> None:
    client, done = as_user(people.engineer), '<li class="done"><h2>Bring its model and test data'
    system = factory.system(people)
    factory.predictions_version(system, people.engineer)
    assert done not in client.get(f"/o/{people.organisation.slug}/").content.decode(), "there is no data"
    data = factory.data_version(system, people.engineer)
    assert done in client.get(f"/o/{people.organisation.slug}/").content.decode()
    data.state = IntakeState.REFUSED
    data.save()
    assert done not in client.get(f"/o/{people.organisation.slug}/").content.decode(), "it was refused"


def test_home_shows_nothing_of_other_organisations(people: People, as_user: AsUser) -> None:
    _fill(people, 2)
    page = as_user(people.outsider).get(f"/o/{people.elsewhere.slug}/").content.decode()
    assert "Impact ratio" not in page
    assert "Describe an AI system" in page
    assert as_user(people.outsider).get(f"/o/{people.organisation.slug}/").status_code == 404


def test_the_way_in_leads_to_ones_only_organisation(people: People, as_user: AsUser) -> None:
    assert as_user(people.engineer).get("/").headers["Location"] == f"/o/{people.organisation.slug}/"
    lonely = User.objects.create_user("lonely@example.org", name="Lonely")
    assert "Ask an owner to invite lonely@example.org" in as_user(lonely).get("/").content.decode()
    assert as_user(lonely).get("/you/").headers["Location"] == "/organisations/"
