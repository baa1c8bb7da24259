"""Whatever ends a training, the next attempt goes on from its last epoch and makes the same model."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from audits.models import Run
from jobs.models import Event, Shard
from jobs.worker import Slot, work_folder
from remediations.attempts import epochs_in
from remediations.models import RemedyRun, RemedyState
from remediations.services import start_remedy
from tests.conftest import make_people
from tests.remediations.made import audited

PARAMS = {"epochs": 12, "batch_rows": 4, "learning_rate": 0.01, "patience": None}


def make(baseline: Run, interrupt: Callable[[Slot], None] | None = None) -> RemedyRun:
    """Work off one remedy's own shards; `interrupt` is called once, after two whole epochs."""
    remedy = start_remedy(baseline, "training.fine_tune", PARAMS, by=baseline.created_by)
    assert remedy.job is not None
    slot = Slot(["cpu"])
    if interrupt is not None:
        work = work_folder(remedy.job)

        def watch() -> None:
            while not any((epochs_in(folder) or (0, 0))[0] >= 2 for folder in work.glob("attempt-*")):
                over.wait(0.01)
            interrupt(slot)

        over = threading.Event()
        threading.Thread(target=watch, daemon=True).start()
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
