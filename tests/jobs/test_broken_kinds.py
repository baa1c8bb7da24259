"""A kind that raises harms its own job and no other; nothing is stored by halves, nothing loops for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from jobs import kinds, services
from jobs.models import Job, JobState
from jobs.worker import Slot
from tests.jobs.counting import Counting

Submit = Callable[..., Job]
Environment = Callable[..., None]


@pytest.fixture
def work(environment: Environment, counting: Counting) -> Iterator[Callable[[], None]]:
    """Work everything off, pauses between attempts included."""
    environment(lease_seconds=0.2)
    slot = Slot(["cpu"])

    def run() -> None:
        from jobs.models import Shard

        while Shard.objects.filter(state__in=("ready", "leased")).exists():
            slot.work()

    yield run
    slot.close()


def test_a_job_whose_first_shards_cannot_be_made_is_not_submitted(counting: Counting, submit: Submit) -> None:
    counting.broken.add("begin")
    before = Job.unscoped.count()
    with pytest.raises(RuntimeError):
        submit([{"number": 1}])
    assert Job.unscoped.count() == before


@pytest.mark.parametrize("method", ["open", "advance"])
def test_what_raises_is_tried_again_and_then_given_up(
    counting: Counting, submit: Submit, work: Callable[[], None], method: str
) -> None:
    counting.broken.add(method)
    job = submit([{"number": 1}], strict=True)
    work()
    job.refresh_from_db()
    assert (job.state, job.reason) == (JobState.FAILED, f"RuntimeError: {method} is broken")
    assert job.events.filter(what="claimed").count() == (3 if method == "open" else 4) + (method == "open")
    assert list(counting.failures) == [str(job.pk)]


def test_an_outcome_that_cannot_be_stored_leaves_nothing_behind_and_fails_the_job(
    counting: Counting, submit: Submit, work: Callable[[], None]
) -> None:
    counting.broken.add("on_done")
    job = submit([{"number": 1}])
    work()
    job.refresh_from_db()
    assert (job.state, job.reason) == (JobState.FAILED, "RuntimeError: on_done is broken")
    assert not job.events.filter(what="stored").exists()
    assert job.shards.get(stage=1, purpose="advance").attempts == 3


def test_a_kind_that_cannot_be_told_of_a_failure_does_not_stop_the_queue(
    counting: Counting, submit: Submit, work: Callable[[], None]
) -> None:
    counting.broken.add("on_failed")
    bad = submit([{"number": 1, "refuse": True}], strict=True)
    good = submit([{"number": 1}])
    work()
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, good.state) == (JobState.FAILED, JobState.DONE)
    assert "was not told (RuntimeError)" in bad.reason
    assert not bad.events.filter(what="told").exists()


def test_a_kind_that_cannot_be_told_of_a_cancellation_ends_all_the_same(
    counting: Counting, submit: Submit
) -> None:
    counting.broken.add("on_cancelled")
    job = submit([{"number": 1}])
    assert services.cancel(job)
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_a_kind_that_this_version_does_not_know_fails_with_a_sentence(
    counting: Counting, submit: Submit, work: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit([{"number": 1}])
    monkeypatch.delitem(kinds._KINDS, "counting")
    work()
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert 'knows no jobs of the kind "counting"' in job.reason


def test_a_stage_without_shards_is_an_error_and_no_endless_loop(
    counting: Counting, submit: Submit, work: Callable[[], None]
) -> None:
    job = submit([{"number": 1}], empty=True)
    work()
    job.refresh_from_db()
    assert (job.state, job.reason) == (
        JobState.FAILED,
        "ValueError: counting planned a stage without shards.",
    )
