"""The operator's pages: who may see them, what they say, and the two buttons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from jobs import kinds, services
from jobs.leases import claim
from jobs.models import Event, Job, JobState, Shard
from tests.conftest import People
from tests.jobs.counting import RetryableCounting
from trail.models import TrailEntry

SignIn = Callable[[User], Client]


@pytest.fixture
def counting(people: People, monkeypatch: pytest.MonkeyPatch) -> RetryableCounting:
    kind = RetryableCounting()
    monkeypatch.setitem(kinds._KINDS, "counting", kind)
    return kind


@pytest.fixture
def job(people: People, counting: RetryableCounting) -> Job:
    return _submit(people)


def _submit(people: People) -> Job:
    return services.submit(
        "counting",
        people.organisation,
        people.organisation.pk,
        request={"shards": [{"number": 2}, {"number": 3}]},
        by=people.engineer,
    )


def _addresses(people: People, job: Job) -> list[str]:
    base = f"/o/{people.organisation.slug}/jobs/"
    return [base, f"{base}{job.pk}/", f"{base}{job.pk}/cancel/", f"{base}{job.pk}/retry/"]


def test_operators_and_owners_come_in_members_see_403_outsiders_404_and_strangers_sign_in(
    people: People, job: Job, as_user: SignIn
) -> None:
    for address in _addresses(people, job):
        assert as_user(people.operator).get(address).status_code == 200
        assert as_user(people.owner).get(address).status_code == 200
        assert as_user(people.engineer).get(address).status_code == 403
        assert as_user(people.auditor).get(address).status_code == 403
        assert as_user(people.outsider).get(address).status_code == 404
        assert Client().get(address).status_code == 302


def test_a_job_of_another_organisation_does_not_exist_here(people: People, job: Job, as_user: SignIn) -> None:
    address = f"/o/{people.elsewhere.slug}/jobs/{job.pk}/"
    assert as_user(people.outsider).get(address).status_code == 404
    assert as_user(people.outsider).post(f"{address}cancel/").status_code == 404
    job.refresh_from_db()
    assert job.state == JobState.WAITING


def test_the_list_says_that_no_worker_lives_and_how_far_jobs_are(
    people: People, job: Job, as_user: SignIn
) -> None:
    Shard.objects.filter(job=job, index=0).update(state="done", attempts=2)
    page = as_user(people.operator).get(_addresses(people, job)[0]).content.decode()
    assert "No worker lives" in page
    assert "1 of 2 pieces" in page


def test_an_empty_list_says_where_jobs_come_from(people: People, as_user: SignIn) -> None:
    page = as_user(people.operator).get(f"/o/{people.organisation.slug}/jobs/").content.decode()
    assert "No job yet" in page


def test_the_list_takes_the_same_number_of_queries_for_any_number_of_jobs(
    people: People, job: Job, as_user: SignIn, django_assert_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = as_user(people.operator)
    address = _addresses(people, job)[0]
    client.get(address)
    with CaptureQueriesContext(connection) as few:
        client.get(address)
    for _ in range(12):
        _submit(people)
    with django_assert_num_queries(len(few)):
        client.get(address)


def test_cancelling_asks_first_works_once_and_is_in_the_trail(
    people: People, job: Job, as_user: SignIn
) -> None:
    client, address = as_user(people.operator), _addresses(people, job)[2]
    assert "cannot be undone" in client.get(address).content.decode()
    job.refresh_from_db()
    assert job.state == JobState.WAITING
    first = client.post(address, follow=True).content.decode()
    again = client.post(address, follow=True).content.decode()
    assert "is being cancelled" in first
    assert "had ended already" in again
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert TrailEntry.objects.filter(action="job.cancelled", target_id=job.pk).count() == 1


def test_a_failed_job_shows_why_and_can_be_tried_again(people: People, job: Job, as_user: SignIn) -> None:
    client, address = as_user(people.operator), _addresses(people, job)[1]
    Shard.objects.filter(job=job).update(state="failed", error="<b>It broke</b>")
    Job.unscoped.filter(pk=job.pk).update(state=JobState.FAILED, reason="<b>It broke</b>")
    page = client.get(address).content.decode()
    assert "&lt;b&gt;It broke&lt;/b&gt;" in page
    assert "Try again" in page
    assert "runs again" in client.post(f"{address}retry/", follow=True).content.decode()
    assert "running already" in client.post(f"{address}retry/", follow=True).content.decode()
    assert TrailEntry.objects.filter(action="job.retried", target_id=job.pk).count() == 1


def test_the_history_names_what_happened_in_words(people: People, job: Job, as_user: SignIn) -> None:
    held = claim(["cpu"], "worker-7")
    assert held is not None
    Event.objects.create(job=held.job, shard=held.shard, at=1.0, what="fenced", token=1, worker="worker-7")
    page = as_user(people.operator).get(_addresses(people, held.job)[1]).content.decode()
    assert "Result discarded" in page
    assert "worker-7" in page
    assert "stage 1, no. 1" in page
