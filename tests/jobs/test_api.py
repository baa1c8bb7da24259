"""The API of jobs: list, get with progress, cancel, retry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.api_auth import new_token
from accounts.models import User
from jobs import kinds, services
from jobs.models import Job, JobState, Shard
from tests.conftest import People
from tests.jobs.counting import RetryableCounting


@pytest.fixture
def job(people: People, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setitem(kinds._KINDS, "counting", RetryableCounting())
    return services.submit(
        "counting",
        people.organisation,
        people.organisation.pk,
        request={"shards": [{"number": 2}, {"number": 3}]},
        by=people.engineer,
    )


@pytest.fixture
def call(people: People) -> Callable[..., Any]:
    def ask(user: User, method: str, path: str, *scopes: str, organisation: Any = None) -> Any:
        _, secret = new_token(
            user, organisation or people.organisation, "t", list(scopes or ("read", "write"))
        )
        return getattr(Client(), method)(f"/api/v1{path}", headers={"Authorization": f"Bearer {secret}"})

    return ask


def test_members_list_their_jobs_with_progress(people: People, job: Job, call: Callable[..., Any]) -> None:
    Shard.objects.filter(job=job, index=0).update(state="done")
    found = call(people.auditor, "get", "/jobs").json()
    assert (found["count"], found["items"][0]["id"]) == (1, str(job.pk))
    assert (found["items"][0]["progress"], found["items"][0]["shards_done"]) == (0.5, 1)
    assert call(people.auditor, "get", "/jobs?state=trouble").json()["count"] == 0
    assert call(people.auditor, "get", "/jobs?limit=101").status_code == 422
    assert call(people.auditor, "get", "/jobs?state=nonsense").status_code == 422


def test_outsiders_see_nothing_of_it(people: People, job: Job, call: Callable[..., Any]) -> None:
    other = {"organisation": people.elsewhere}
    assert call(people.outsider, "get", "/jobs", **other).json() == {"items": [], "count": 0}
    for method, path in (("get", ""), ("post", "/cancel"), ("post", "/retry")):
        assert call(people.outsider, method, f"/jobs/{job.pk}{path}", **other).status_code == 404
    assert Client().get(f"/api/v1/jobs/{job.pk}").status_code == 401


def test_cancelling_takes_an_operator_and_the_second_is_told(
    people: People, job: Job, call: Callable[..., Any]
) -> None:
    assert call(people.engineer, "post", f"/jobs/{job.pk}/cancel").status_code == 403
    assert call(people.operator, "post", f"/jobs/{job.pk}/cancel", "read").status_code == 403
    assert call(people.operator, "post", f"/jobs/{job.pk}/cancel").json()["state"] == "cancelled"
    again = call(people.operator, "post", f"/jobs/{job.pk}/cancel")
    assert (again.status_code, again["Content-Type"]) == (409, "application/problem+json")


def test_a_failed_job_is_tried_again_once(people: People, job: Job, call: Callable[..., Any]) -> None:
    Shard.objects.filter(job=job).update(state="failed", error="It broke.")
    Job.unscoped.filter(pk=job.pk).update(state=JobState.FAILED)
    assert call(people.operator, "post", f"/jobs/{job.pk}/retry").json()["state"] == "running"
    assert call(people.operator, "post", f"/jobs/{job.pk}/retry").status_code == 409
