"""Trying an ended job again: what is done stays done, what failed starts afresh."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from assay.errors import AssayError, BadInput
from jobs import folders, services
from jobs.models import Job, JobState, ShardState
from jobs.worker import Slot
from tests.jobs.counting import Counting, RetryableCounting

Submit = Callable[..., Job]


@pytest.fixture(autouse=True)
def _one_attempt(environment: Callable[..., None]) -> None:
    environment(attempts=1)


def _work() -> None:
    slot = Slot(["cpu"])
    slot.work()
    slot.close()


def _incomplete(submit: Submit) -> Job:
    """A job of 2 and 3 of which 3 crashed; the cause is mended since."""
    job = submit([{"number": 2}, {"number": 3, "crash": True}])
    _work()
    job.refresh_from_db()
    assert job.state == JobState.INCOMPLETE
    (folders.work_folder(job) / "mended").touch()
    return job


def test_failed_shards_run_again_and_later_stages_are_planned_anew(
    retryable: RetryableCounting, submit: Submit
) -> None:
    job = _incomplete(submit)
    assert retryable.outcomes[str(job.pk)] == [4, 4]
    services.retry(job)
    _work()
    job.refresh_from_db()
    assert (job.state, retryable.outcomes[str(job.pk)]) == (JobState.DONE, [4, 9, 25])
    first = job.shards.get(stage=0, index=0, purpose="work")
    assert first.events.filter(what="claimed").count() == 1
    assert retryable.retried == [str(job.pk)]


def test_done_shards_whose_results_are_gone_run_again(retryable: RetryableCounting, submit: Submit) -> None:
    job = _incomplete(submit)
    shutil.rmtree(folders.work_folder(job) / "results")
    services.retry(job)
    _work()
    job.refresh_from_db()
    assert retryable.outcomes[str(job.pk)] == [4, 9, 25]


def test_a_job_that_failed_while_merging_merges_again(retryable: RetryableCounting, submit: Submit) -> None:
    retryable.broken.add("on_done")
    job = submit([{"number": 2}])
    _work()
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    retryable.broken.clear()
    services.retry(job)
    _work()
    job.refresh_from_db()
    assert (job.state, job.reason) == (JobState.DONE, "")
    assert job.events.filter(what="reopened").count() == 1


def test_a_kind_that_does_not_offer_it_refuses(counting: Counting, submit: Submit) -> None:
    job = submit([{"number": 3, "refuse": True}], strict=True)
    _work()
    with pytest.raises(BadInput, match="cannot be tried again"):
        services.retry(job)


def test_a_refusal_of_the_kind_changes_nothing(retryable: RetryableCounting, submit: Submit) -> None:
    job = _incomplete(submit)
    retryable.broken.add("on_retried")
    with pytest.raises(RuntimeError):
        services.retry(job)
    job.refresh_from_db()
    assert (job.state, job.round) == (JobState.INCOMPLETE, 0)
    assert job.shards.filter(state=ShardState.READY).count() == 0


def test_the_second_of_two_is_told(retryable: RetryableCounting, submit: Submit) -> None:
    job = _incomplete(submit)
    services.retry(job)
    with pytest.raises(AssayError, match="running already") as caught:
        services.retry(job)
    assert caught.value.code == "conflict"


def test_a_job_that_ended_well_is_left_alone(retryable: RetryableCounting, submit: Submit) -> None:
    job = submit([{"number": 2}])
    _work()
    with pytest.raises(BadInput, match="Only a job that failed"):
        services.retry(job)
