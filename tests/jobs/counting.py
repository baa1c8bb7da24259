"""A cheap job kind for the tests of the job engine: two stages of shards that add numbers."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.errors import BadInput, Cancelled, ChildFailed
from jobs.history import note
from jobs.kinds import (
    Advance,
    DoneShard,
    FailedShard,
    Finished,
    GiveUp,
    NewShard,
    Next,
    ShardContext,
    ShardResult,
)
from jobs.models import Job

__all__ = ["Counting", "RetryableCounting"]


class _Session:
    def __init__(self) -> None:
        self._stop = ""
        self.closed = False
        self.began = threading.Event()

    def run(self, spec: Mapping[str, Any], context: ShardContext) -> ShardResult:
        if spec.get("refuse"):
            raise BadInput("This shard cannot be done.")
        if spec.get("crash") and not (context.work / "mended").exists():
            raise ChildFailed("The child ended.")
        if self._stop:
            raise Cancelled(self._stop)
        if spec.get("announce"):
            self.began.set()
        deadline = time.monotonic() + float(spec.get("seconds", 0))
        while time.monotonic() < deadline:
            context.progress(0.5, "counting")
            time.sleep(0.01)
        number = int(spec["number"])
        wide = int(spec.get("wide", 1))
        return ShardResult({"number": number}, {"square": np.full(wide, number * number)})

    def stop(self, why: str) -> None:
        self._stop = why

    def close(self) -> None:
        self.closed = True


class Counting:
    """Stage 0: the request's shards. Stage 1: one shard with the sum. The outcome is kept here."""

    name = "counting"

    def __init__(self) -> None:
        self.outcomes: dict[str, Any] = {}
        self.failures: dict[str, str] = {}
        self.cancelled: list[str] = []
        self.broken: set[str] = set()
        """Methods that raise."""
        self.retried: list[str] = []
        self.sessions: list[_Session] = []

    def begin(self, job: Job) -> Sequence[NewShard]:
        self._maybe_break("begin")
        return [NewShard(spec) for spec in job.request["shards"]]

    def open(self, job: Job) -> _Session:
        self._maybe_break("open")
        self.sessions.append(_Session())
        return self.sessions[-1]

    def _maybe_break(self, method: str) -> None:
        if method in self.broken:
            raise RuntimeError(f"{method} is broken")

    def advance(
        self, job: Job, stage: int, done: Sequence[DoneShard], failed: Sequence[FailedShard]
    ) -> Advance:
        self._maybe_break("advance")
        if job.request.get("empty"):
            return Next([])
        if job.request.get("strict") and failed:
            return GiveUp(failed[0].why)
        if stage == 0:
            return Next([NewShard({"number": sum(d.data["number"] for d in done)})])
        squares = [int(d.arrays()["square"][0]) for d in done]
        return Finished(squares, [f.why for f in failed])

    def on_done(self, job: Job, outcome: Any, incomplete: Sequence[str]) -> None:
        note(job, None, "stored")
        self._maybe_break("on_done")
        self.outcomes[str(job.pk)] = outcome

    def on_failed(self, job: Job, why: str) -> None:
        note(job, None, "told")
        self._maybe_break("on_failed")
        self.failures[str(job.pk)] = why

    def on_cancelled(self, job: Job) -> None:
        self._maybe_break("on_cancelled")
        self.cancelled.append(str(job.pk))


class RetryableCounting(Counting):
    """Ended jobs may be tried again."""

    def on_retried(self, job: Job) -> None:
        self._maybe_break("on_retried")
        self.retried.append(str(job.pk))
