"""A slot at work: stopped, cancelled, cut off from its disk; what it leaves behind."""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

from jobs import folders, services
from jobs.leases import claim
from jobs.models import Job, JobState, Shard, ShardState, Worker
from jobs.station import Station, make_slots
from jobs.worker import Slot
from tests.jobs.counting import Counting

Submit = Callable[..., Job]
Environment = Callable[..., None]


@contextmanager
def _working(slot: Slot) -> Iterator[None]:
    """The slot works in a thread of its own meanwhile."""

    def work() -> None:
        slot.work()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        slot.stop()
        thread.join(20)
        assert not thread.is_alive()


def _await(reached: Callable[[], bool], seconds: float = 20.0) -> None:
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if reached():
            return
        pause.wait(0.02)
    raise AssertionError("did not come about in time")


def test_a_stopped_worker_gives_its_shard_back_unharmed(counting: Counting, submit: Submit) -> None:
    job = submit([{"number": 1, "seconds": 60, "announce": True}])
    slot = Slot(["cpu"])
    with _working(slot):
        _await(lambda: bool(counting.sessions) and counting.sessions[0].began.is_set())
    shard = job.shards.get()
    assert (shard.state, shard.attempts) == (ShardState.READY, 0)
    assert job.events.filter(what="released").count() == 1


def test_a_cancellation_reaches_a_running_shard(
    counting: Counting, submit: Submit, environment: Environment
) -> None:
    environment(lease_seconds=0.4)
    job = submit([{"number": 1, "seconds": 60, "announce": True}, {"number": 2}])
    with _working(Slot(["cpu"])):
        _await(lambda: bool(counting.sessions) and counting.sessions[0].began.is_set())
        assert services.cancel(job)
        _await(lambda: Job.unscoped.get(pk=job.pk).ended)
    job.refresh_from_db()
    assert (job.state, counting.cancelled) == (JobState.CANCELLED, [str(job.pk)])
    assert not folders.work_folder(job).exists()


def test_a_session_that_was_stopped_serves_no_other_shard(
    counting: Counting, submit: Submit, environment: Environment
) -> None:
    environment(lease_seconds=0.4)
    first = submit([{"number": 1, "seconds": 60, "announce": True}], subject_key="same")
    second = submit([{"number": 2}], subject_key="same")
    with _working(Slot(["cpu"])):
        _await(lambda: bool(counting.sessions) and counting.sessions[0].began.is_set())
        services.cancel(first)
        _await(lambda: Job.unscoped.get(pk=second.pk).ended)
    second.refresh_from_db()
    assert second.state == JobState.DONE
    assert not second.events.filter(what="retried").exists()


def test_a_full_disk_costs_no_attempt(counting: Counting, submit: Submit, environment: Environment) -> None:
    environment(lease_seconds=0.2)
    job = submit([{"number": 3, "wide": 8_000_000}])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    slot = Slot(["cpu"])
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000_000, before[1]))
    try:
        slot.work(1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    shard = job.shards.get()
    assert (shard.state, shard.attempts, shard.doing) == (
        ShardState.READY,
        0,
        f"The disk of {slot.name} is full.",
    )
    _await(lambda: slot.work() > 0)
    job.refresh_from_db()
    assert job.state == JobState.DONE


def test_the_work_folder_goes_with_the_job(counting: Counting, submit: Submit) -> None:
    job = submit([{"number": 3}])
    slot = Slot(["cpu"])
    slot.work(1)
    assert list((folders.work_folder(job) / "results").iterdir())
    slot.work()
    assert not folders.work_folder(job).exists()


def test_folders_of_jobs_that_are_over_are_found_and_those_of_others_kept(
    counting: Counting, submit: Submit
) -> None:
    over, failed, running = submit([{"number": 1}]), submit([{"number": 1}]), submit([{"number": 1}])
    for job in (over, failed, running):
        folders.work_folder(job).mkdir(parents=True)
    Job.unscoped.filter(pk=over.pk).update(state=JobState.CANCELLED)
    Job.unscoped.filter(pk=failed.pk).update(state=JobState.FAILED, ended_at=failed.submitted_at)
    folders.clean_up()
    assert [folders.work_folder(job).exists() for job in (over, failed, running)] == [False, True, True]


def test_a_station_finds_work_without_any_message_closes_idle_sessions_and_says_good_bye(
    counting: Counting, submit: Submit, environment: Environment
) -> None:
    environment(sweep_seconds=0.05)
    station = Station(make_slots(["cpu"], 2), ["cpu"], idle_seconds=0.1)
    station.start()
    try:
        job = submit([{"number": 2}, {"number": 3}])
        _await(lambda: Job.unscoped.get(pk=job.pk).state == JobState.DONE)
        _await(lambda: all(session.closed for session in counting.sessions))
        _await(lambda: Worker.objects.filter(slots=2, queues="cpu").exists())
    finally:
        station.stop()
    assert not Worker.objects.exists()


def test_a_stopping_station_gives_back_what_cannot_be_interrupted(counting: Counting, submit: Submit) -> None:
    """Nobody's thread can be interrupted in a merge; the lease is given back all the same."""
    submit([{"number": 1}])
    [slot] = make_slots(["cpu"], 1)
    station = Station([slot], ["cpu"])
    slot.held = claim(["cpu"], slot.name)
    assert slot.held is not None
    station._give_back()
    assert Shard.objects.get(pk=slot.held.shard.pk).state == ShardState.READY


def test_each_gpu_is_one_slot_and_memory_is_shared_out() -> None:
    slots = make_slots(["cpu", "gpu"], 2, devices=["0", "GPU-77"])
    seen = [(slot._queues, dict(slot._share.environment)) for slot in slots]
    assert seen == [
        (("cpu",), {"CUDA_VISIBLE_DEVICES": ""}),
        (("cpu",), {"CUDA_VISIBLE_DEVICES": ""}),
        (("gpu",), {"CUDA_VISIBLE_DEVICES": "0"}),
        (("gpu",), {"CUDA_VISIBLE_DEVICES": "GPU-77"}),
    ]
    [alone] = make_slots(["cpu"], 1)
    assert dict(alone._share.environment) == {}
    assert sum(slot._share.memory_limit for slot in slots) <= alone._share.memory_limit
