"""What is read of jobs: weighted progress, the time left, and the values that metrics show."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import kinds, selectors, services
from jobs.models import Job, JobState, Shard
from tests.conftest import People
from tests.jobs.counting import Counting


@pytest.fixture
def job(people: People, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setitem(kinds._KINDS, "counting", Counting())
    return services.submit(
        "counting",
        people.organisation,
        people.organisation.pk,
        request={"shards": [{"number": 1}, {"number": 2}]},
    )


def test_progress_weighs_shards_by_their_estimated_seconds_and_foresees_the_rest(job: Job) -> None:
    heavy, light = job.shards.order_by("index")
    Shard.objects.filter(pk=heavy.pk).update(weight=9.0, state="leased", progress=0.5, doing="heavy work")
    Shard.objects.filter(pk=light.pk).update(weight=1.0, state="done")
    now = timezone.now()
    job.state, job.started_at = JobState.RUNNING, now - timedelta(seconds=55)
    found = selectors.progress(job, now)
    assert found.done == pytest.approx(0.55)
    assert found.seconds_left == pytest.approx(45.0)
    assert (found.doing, found.shards_done, found.shards) == ("heavy work", 1, 2)


def test_nothing_is_foreseen_from_nothing(job: Job) -> None:
    job.started_at = timezone.now()
    assert selectors.progress(job).seconds_left is None
