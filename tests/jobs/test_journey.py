"""A job's way through stages, errors and cancellation, with real claims and commits."""

from __future__ import annotations

from collections.abc import Callable

from jobs import services
from jobs.models import Event, Job, JobState
from jobs.worker import Slot
from tests.jobs.counting import Counting


def test_a_job_goes_through_its_stages_and_stores_its_outcome_once(
    counting: Counting, submit: Callable[..., Job]
) -> None:
    job = submit([{"number": 2}, {"number": 3}])
    assert Slot(["cpu"]).work() == 5
    job.refresh_from_db()
    assert (job.state, counting.outcomes[str(job.pk)]) == (JobState.DONE, [4, 9, 25])
    committed = Event.objects.filter(job=job, what="committed")
    assert committed.count() == len(set(committed.values_list("shard", flat=True))) == 5


def test_input_that_cannot_be_done_fails_at_once_and_the_job_ends_incomplete(
    counting: Counting, submit: Callable[..., Job]
) -> None:
    job = submit([{"number": 2}, {"number": 3, "refuse": True}])
    Slot(["cpu"]).work()
    job.refresh_from_db()
    assert (job.state, job.reason) == (JobState.INCOMPLETE, "This shard cannot be done.")
    assert job.events.filter(what="failed").count() == 1


def test_a_kind_may_give_the_whole_job_up(counting: Counting, submit: Callable[..., Job]) -> None:
    job = submit([{"number": 2}, {"number": 3, "refuse": True}], strict=True)
    Slot(["cpu"]).work()
    job.refresh_from_db()
    assert (job.state, counting.failures) == (JobState.FAILED, {str(job.pk): "This shard cannot be done."})


def test_a_cancelled_job_runs_nothing_more(counting: Counting, submit: Callable[..., Job]) -> None:
    job = submit([{"number": 2}])
    assert services.cancel(job)
    Slot(["cpu"]).work()
    job.refresh_from_db()
    assert (job.state, counting.cancelled, counting.outcomes) == (JobState.CANCELLED, [str(job.pk)], {})
