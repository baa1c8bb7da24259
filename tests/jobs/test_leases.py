"""Leases: who gets which shard, and that only the newest holder can write to it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from jobs import leases, services
from jobs.clock import database_seconds
from jobs.kinds import ShardResult
from jobs.leases import Fenced
from jobs.models import Event, Job, JobState, Shard, ShardState
from tests.jobs.counting import Counting

Submit = Callable[..., Job]
Environment = Callable[..., None]


def _expire(held: leases.Claim) -> None:
    Shard.objects.filter(pk=held.shard.pk).update(claimable_at=database_seconds() - 1)


def _claim(worker: str = "a", prefer: str = "") -> leases.Claim:
    held = leases.claim(["cpu"], worker, prefer)
    assert held is not None
    return held


def test_higher_priority_goes_first_then_the_open_subject_then_the_oldest(
    counting: Counting, submit: Submit
) -> None:
    old = submit([{"number": 1}], subject_key="x")
    same = submit([{"number": 1}], subject_key="y")
    urgent = submit([{"number": 1}], subject_key="z", priority=10)
    assert [_claim(prefer="y").job.pk for _ in range(3)] == [urgent.pk, same.pk, old.pk]
    assert leases.claim(["cpu"], "a", "y") is None


def test_a_worker_of_one_queue_leaves_the_other_alone(counting: Counting, submit: Submit) -> None:
    job = submit([{"number": 1}], queue="gpu")
    assert not leases.claimable(["cpu"])
    assert leases.claim(["cpu"], "a") is None
    held = leases.claim(["gpu"], "a")
    assert held is not None
    assert held.job.pk == job.pk


def test_a_shard_whose_lease_ended_is_taken_over_and_the_history_says_so(
    counting: Counting, submit: Submit
) -> None:
    job = submit([{"number": 1}])
    first = _claim("a")
    assert not leases.claimable(["cpu"])
    _expire(first)
    assert leases.claimable(["cpu"])
    second = _claim("b")
    assert (second.shard.pk, second.token) == (first.shard.pk, first.token + 1)
    assert Event.objects.get(job=job, what="expired").detail == "a held it"


def test_who_was_taken_over_can_write_nothing_more(counting: Counting, submit: Submit) -> None:
    submit([{"number": 1}])
    stale = _claim("a")
    _expire(stale)
    _claim("b")
    for write in (
        lambda: leases.commit(stale, ShardResult({"number": 1})),
        lambda: leases.renew(stale, 0.5, ""),
        lambda: leases.checkpoint(stale, {}),
        lambda: leases.fail(stale, "no", final=False),
        lambda: leases.fail(stale, "no", final=True),
    ):
        with pytest.raises(Fenced):
            write()
    leases.release(stale)
    assert Shard.objects.get(pk=stale.shard.pk).worker == "b"
    assert not Event.objects.filter(shard=stale.shard, what__in=("committed", "released", "retried")).exists()


def test_a_commit_whose_confirmation_was_lost_may_be_done_again(counting: Counting, submit: Submit) -> None:
    job = submit([{"number": 1}])
    held = _claim()
    for _ in range(2):
        leases.commit(held, ShardResult({"number": 1}))
    assert job.events.filter(what="committed").count() == 1
    assert job.shards.filter(purpose="advance").count() == 1


def test_shards_that_were_begun_too_often_are_given_up_without_running(
    counting: Counting, submit: Submit
) -> None:
    job = submit([{"number": n} for n in range(3)])
    Shard.objects.filter(job=job).update(attempts=3)
    held = _claim()
    assert held.shard.purpose == "advance"
    assert set(job.shards.filter(purpose="work").values_list("state", "error")) == {
        (ShardState.FAILED, "Whoever ran it ended without a word.")
    }


def test_many_shards_of_a_cancelled_job_are_ended_by_one_claim(counting: Counting, submit: Submit) -> None:
    job = submit([{"number": n} for n in range(1_200)])
    Job.unscoped.filter(pk=job.pk).update(state=JobState.CANCELLING)
    assert leases.claim(["cpu"], "a") is None
    job.refresh_from_db()
    assert (job.state, counting.cancelled) == (JobState.CANCELLED, [str(job.pk)])


def test_a_clock_that_was_set_back_strands_no_shard(counting: Counting, submit: Submit) -> None:
    submit([{"number": 1}])
    held = _claim("a")
    Shard.objects.filter(pk=held.shard.pk).update(claimable_at=database_seconds() + 86_400 * 365)
    assert _claim("b").shard.pk == held.shard.pk


def test_a_released_shard_counts_as_never_begun(counting: Counting, submit: Submit) -> None:
    submit([{"number": 1}])
    leases.release(_claim())
    assert _claim().shard.attempts == 1


def test_a_failed_shard_waits_before_it_is_tried_again(
    counting: Counting, submit: Submit, environment: Environment
) -> None:
    environment(lease_seconds=6.0)
    submit([{"number": 1}])
    leases.fail(_claim(), "The child ended.", final=False)
    assert leases.claim(["cpu"], "a") is None
    deadline = time.monotonic() + 5
    while not leases.claimable(["cpu"]) and time.monotonic() < deadline:
        pass
    assert _claim().shard.attempts == 2


def test_a_job_cancelled_before_its_results_are_merged_stores_none(
    counting: Counting, submit: Submit
) -> None:
    job = submit([{"number": 1}])
    leases.commit(_claim(), ShardResult({"number": 1}))
    held = _claim()
    services.cancel(job)
    from assay.errors import Cancelled
    from jobs.kinds import Finished

    with pytest.raises(Cancelled):
        leases.commit_advance(held, Finished([1]))
    leases.cancelled(held)
    job.refresh_from_db()
    assert (job.state, counting.outcomes) == (JobState.CANCELLED, {})
