"""Whatever ends a training, the next attempt goes on from its last epoch and makes the same model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from audits.models import Run
from jobs import services as jobs
from jobs.models import Event, Shard
from jobs.worker import Slot, work_folder
from remediations.attempts import epochs_in
from remediations.models import RemedyRun, RemedyState
from remediations.services import start_remedy
from tests.conftest import make_people
from tests.remediations.made import audited
from tests.warm import warm_children

PARAMS = {"epochs": 12, "batch_rows": 4, "learning_rate": 0.01, "patience": None}


def reached(work: Path, epoch: int) -> bool:
    """Whether some attempt has done that many whole epochs."""
    return any((epochs_in(folder) or (0, 0))[0] >= epoch for folder in work.glob("attempt-*"))


def make(baseline: Run, interrupt: Callable[[Slot], None] | None = None) -> RemedyRun:
    """Work off one remedy's own shards; `interrupt` is called once, after two whole epochs."""
    remedy = start_remedy(baseline, "training.fine_tune", PARAMS, by=baseline.created_by)
    assert remedy.job is not None
    slot = Slot(["cpu"])
    if interrupt is not None:
        work = work_folder(remedy.job)

        def watch() -> None:
            while not reached(work, 2):
                over.wait(0.01)
            interrupt(slot)

        over = threading.Event()
        threading.Thread(target=watch, daemon=True).start()
    with warm_children() if interrupt is None else nullcontext():
        slot.work(limit=1)
    shard = Shard.objects.get(job=remedy.job, purpose="work")
    if interrupt is not None:
        assert (shard.state, shard.checkpoint) != ("done", None)
        Shard.objects.filter(pk=shard.pk).update(claimable_at=0)
        slot.close()
        slot = Slot(["cpu"])
        slot.work(limit=1)
    slot.work(limit=1)
    slot.close()
    Shard.objects.exclude(job=remedy.job).filter(state="ready").update(state="cancelled")
    remedy.refresh_from_db()
    assert (remedy.state, remedy.reason) == (RemedyState.AUDITING, "")
    return remedy


def test_a_killed_child_and_a_stopped_worker_lose_no_whole_epoch(committed: None) -> None:
    baseline = audited(make_people())
    straight = make(baseline)

    def kill(slot: Slot) -> None:
        pid = slot._session._supervisor.process_id  # type: ignore[union-attr]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def stop(slot: Slot) -> None:
        slot.stopping.set()
        slot._session.stop("The worker is asked to stop.")  # type: ignore[union-attr]

    for interrupt, what in ((kill, "retried"), (stop, "released")):
        broken = make(baseline, interrupt)
        assert Event.objects.filter(job=broken.job, what=what).count() == 1
        assert Event.objects.filter(job=broken.job, what="checkpointed").count() >= 1
        assert broken.candidate is not None
        assert straight.candidate is not None
        assert broken.candidate.sha256 == straight.candidate.sha256
        resumed = Shard.objects.get(job=broken.job, purpose="work").checkpoint
        assert resumed["epoch"] >= 2


def test_the_successor_of_a_killed_worker_goes_on(committed: None) -> None:
    baseline = audited(make_people())
    straight = make(baseline)
    remedy = start_remedy(baseline, "training.fine_tune", PARAMS, by=baseline.created_by)
    assert remedy.job is not None
    work = work_folder(remedy.job)
    worker = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import django; django.setup(); from jobs.worker import Slot; Slot(['cpu']).work(limit=1)",
        ],
        env={
            **os.environ,
            "ASSAY_HOME": str(settings.ENV.home),
            "ASSAY_DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        },
    )
    deadline = time.monotonic() + 120
    while not reached(work, 2) and worker.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    worker.kill()
    worker.wait()
    assert reached(work, 2)
    assert children
    while any(lives(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(lives(child) for child in children)
    shard = Shard.objects.get(job=remedy.job, purpose="work")
    assert (shard.state, shard.attempts) == ("leased", 1)
    Shard.objects.filter(pk=shard.pk).update(claimable_at=0)  # as if the lease had ended
    slot = Slot(["cpu"])
    slot.work(limit=2)
    slot.close()
    remedy.refresh_from_db()
    assert (remedy.state, remedy.reason) == (RemedyState.AUDITING, "")
    assert remedy.candidate is not None
    assert straight.candidate is not None
    assert remedy.candidate.sha256 == straight.candidate.sha256
    shard.refresh_from_db()
    assert (shard.state, shard.attempts) == ("done", 2)


def test_a_remedy_that_is_stopped_in_the_middle_ends_cancelled_and_leaves_nothing(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update={"lease_seconds": 2.0}))
    baseline = audited(make_people())
    remedy = start_remedy(baseline, "training.fine_tune", {**PARAMS, "epochs": 2_000}, by=baseline.created_by)
    assert remedy.job is not None
    work = work_folder(remedy.job)

    def stop() -> None:
        while not reached(work, 1):
            over.wait(0.01)
        jobs.cancel(remedy.job)  # type: ignore[arg-type]
        connection.close()

    over = threading.Event()
    threading.Thread(target=stop, daemon=True).start()
    slot = Slot(["cpu"])
    slot.work(limit=1)
    remedy.refresh_from_db()
    assert (remedy.state, remedy.candidate) == (RemedyState.CANCELLED, None)
    assert remedy.ended_at is not None
    assert not work.exists()


def database_url() -> str:
    """The test database, for another process."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{found['NAME']}"
    return f"postgresql://{found['USER']}:{found['PASSWORD']}@{found['HOST']}:{found['PORT']}/{found['NAME']}"


def lives(pid: str) -> bool:
    """Whether a process runs (one that waits to be reaped does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
