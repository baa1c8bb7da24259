"""A cheap job kind with everything that can go wrong: a child, checkpoints, arrays, two stages."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assay.errors import Cancelled, ChildFailed
from jobs.history import note
from jobs.kinds import Advance, DoneShard, FailedShard, Finished, NewShard, Next, ShardContext, ShardResult
from jobs.models import Job

__all__ = ["Hashing"]

STEPS = 3
WIDE = 16_384
"""Numbers in the arrays of every eighth shard: too many for a worker whose disk is full."""


class _Session:
    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._read = b""
        self._stopped = ""

    def run(self, spec: Mapping[str, Any], context: ShardContext) -> ShardResult:
        kept = context.resume() or {"at": 0, "value": ""}
        child = self._started()
        assert child.stdin is not None
        try:
            child.stdin.write(json.dumps({**spec, **kept, "steps": STEPS}).encode() + b"\n")
            child.stdin.flush()
        except OSError:
            raise ChildFailed("The child hung up.") from None
        at, value = kept["at"], kept["value"]
        while at < STEPS:
            answer = self._line(child, context)
            at, value = answer["at"], answer["value"]
            context.progress(at / STEPS, f"step {at}")
            if at == 1:
                context.checkpoint(answer)
        width = WIDE if spec["number"] % 8 == 0 else 4
        return ShardResult({"value": value}, {"digits": np.full(width, int(value[:8], 16))})

    def stop(self, why: str) -> None:
        self._stopped = why
        if self._child is not None:
            self._child.kill()

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        self._child, self._read = None, b""

    def _started(self) -> subprocess.Popen[bytes]:
        if self._stopped:
            raise Cancelled(self._stopped)
        if self._child is None:
            script = Path(__file__).with_name("child.py")
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", str(script), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        return self._child

    def _line(self, child: subprocess.Popen[bytes], context: ShardContext) -> dict[str, Any]:
        assert child.stdout is not None
        while b"\n" not in self._read:
            if select.select([child.stdout], [], [], 0.05)[0]:
                more = os.read(child.stdout.fileno(), 4_096)
                if not more:
                    raise Cancelled(self._stopped) if self._stopped else ChildFailed("The child died.")
                self._read += more
            else:
                context.progress(0.0)
        line, self._read = self._read.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer


class Hashing:
    """Stage 0: `shards` hashes. Stage 1: one hash for each eight of them. Outcome: a digest of everything."""

    name = "hashing"

    def begin(self, job: Job) -> Sequence[NewShard]:
        first = job.request["seed"] * 1_000
        pause = job.request["pause"]
        return [NewShard({"number": first + n, "pause": pause}) for n in range(job.request["shards"])]

    def open(self, job: Job) -> _Session:
        return _Session()

    def advance(
        self, job: Job, stage: int, done: Sequence[DoneShard], failed: Sequence[FailedShard]
    ) -> Advance:
        if stage == 0:
            values = [shard.data["value"] for shard in done]
            groups = [values[start : start + 8] for start in range(0, len(values), 8)]
            pause = job.request["pause"]
            return Next([NewShard({"number": int(_digest(g)[:6], 16), "pause": pause}) for g in groups])
        everything = [
            [d.stage, d.index, d.data["value"], [int(n) for n in d.arrays()["digits"][:4]]] for d in done
        ]
        return Finished(_digest(everything), [f.why for f in failed])

    def on_done(self, job: Job, outcome: Any, incomplete: Sequence[str]) -> None:
        note(job, None, "outcome", detail=outcome)

    def on_failed(self, job: Job, why: str) -> None:
        pass

    def on_cancelled(self, job: Job) -> None:
        pass


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
