"""A cheap job kind for the tests of the job engine: two stages of shards that add numbers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.errors import BadInput, ChildFailed
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

__all__ = ["Counting"]


class _Session:
    def __init__(self) -> None:
        self._stop = ""

    def run(self, spec: Mapping[str, Any], context: ShardContext) -> ShardResult:
        if spec.get("refuse"):
            raise BadInput("This shard cannot be done.")
        if spec.get("crash"):
            raise ChildFailed("The child ended.")
        deadline = time.monotonic() + float(spec.get("seconds", 0))
        while time.monotonic() < deadline:
            context.progress(0.5, "counting")
            time.sleep(0.01)
        number = int(spec["number"])
        return ShardResult({"number": number}, {"square": np.array([number * number])})

    def stop(self, why: str) -> None:
        self._stop = why

    def close(self) -> None:
        pass


class Counting:
    """Stage 0: the request's shards. Stage 1: one shard with the sum. The outcome is kept here."""

    name = "counting"

    def __init__(self) -> None:
        self.outcomes: dict[str, Any] = {}
        self.failures: dict[str, str] = {}
        self.cancelled: list[str] = []

    def begin(self, job: Job) -> Sequence[NewShard]:
        return [NewShard(spec) for spec in job.request["shards"]]

    def open(self, job: Job) -> _Session:
        return _Session()

    def advance(
        self, job: Job, stage: int, done: Sequence[DoneShard], failed: Sequence[FailedShard]
    ) -> Advance:
        if job.request.get("strict") and failed:
            return GiveUp(failed[0].why)
        if stage == 0:
            return Next([NewShard({"number": sum(d.data["number"] for d in done)})])
        squares = [int(d.arrays()["square"][0]) for d in done]
        return Finished(squares, [f.why for f in failed])

    def on_done(self, job: Job, outcome: Any, incomplete: Sequence[str]) -> None:
        self.outcomes[str(job.pk)] = outcome

    def on_failed(self, job: Job, why: str) -> None:
        self.failures[str(job.pk)] = why

    def on_cancelled(self, job: Job) -> None:
        self.cancelled.append(str(job.pk))
