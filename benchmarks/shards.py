"""What a shard costs the job engine, on SQLite and on PostgreSQL, and what a second worker brings.

Run as `python -m benchmarks.shards`. PostgreSQL is the server that ASSAY_BENCH_POSTGRESQL names
(benchmarks/database.py), where a database is made and dropped. Each database is measured in a process of its
own, `python -m benchmarks.shards cost` or `... workers`.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.database import in_process, postgresql

SHARDS = 1_000
CPU_SHARDS = 24
WORKER_ROUNDS = 3
"""One worker and two, in turn; the median of each counts."""
ROUNDS = 300_000
"""Hashes of a CPU-bound shard: about a third of a second."""


class _Session:
    def run(self, spec: Mapping[str, Any], context: Any) -> Any:
        from jobs.kinds import ShardResult

        value = b""
        for _ in range(spec["rounds"]):
            value = hashlib.sha256(value).digest()
        return ShardResult({"value": value.hex()})

    def stop(self, why: str) -> None: ...

    def close(self) -> None: ...


class _Hashes:
    """Shards that hash as often as they are told to."""

    name = "benchmark"

    def begin(self, job: Any) -> Sequence[Any]:
        from jobs.kinds import NewShard

        return [NewShard({"rounds": job.request["rounds"]}) for _ in range(job.request["shards"])]

    def open(self, job: Any) -> _Session:
        return _Session()

    def advance(self, job: Any, stage: int, done: Sequence[Any], failed: Sequence[Any]) -> Any:
        from jobs.kinds import Finished

        return Finished()

    def on_done(self, job: Any, outcome: Any, incomplete: Sequence[str]) -> None: ...

    def on_failed(self, job: Any, why: str) -> None: ...

    def on_cancelled(self, job: Any) -> None: ...


def run() -> dict[str, Any]:
    """Milliseconds of claim + commit a shard on each database; how much faster two workers are than one."""
    with tempfile.TemporaryDirectory() as folder:
        databases = {"sqlite": in_process("benchmarks.shards", "cost", {"ASSAY_HOME": folder})}
    with postgresql() as environment:
        databases["postgresql"] = in_process("benchmarks.shards", "cost", environment)
    with tempfile.TemporaryDirectory() as folder:
        workers = in_process("benchmarks.shards", "workers", {"ASSAY_HOME": folder})
    return {"shards": SHARDS, "databases": databases, "workers": workers}


def _started() -> Any:
    import django

    django.setup()
    from django.core.management import call_command

    from jobs.kinds import register

    call_command("migrate", verbosity=0)
    register(_Hashes())
    from accounts.models import User
    from accounts.services import create_organisation

    return create_organisation("Benchmark", User.objects.create_user("bench@example.org"))


def _cost() -> dict[str, Any]:
    """Each claim and commit by itself, with what a busy service has besides: other ready shards."""
    organisation = _started()
    from jobs import leases, services
    from jobs.kinds import ShardResult

    services.submit(
        "benchmark",
        organisation,
        organisation.pk,
        request={"shards": SHARDS * 2, "rounds": 0},
        subject_key="s",
    )
    claims, commits = [], []
    result = ShardResult({"value": "0" * 64})
    for _ in range(SHARDS):
        start = time.perf_counter()
        held = leases.claim(["cpu"], "bench", "s")
        between = time.perf_counter()
        assert held is not None
        leases.commit(held, result)
        commits.append(time.perf_counter() - between)
        claims.append(between - start)
    both = [1_000 * (a + b) for a, b in zip(claims, commits, strict=True)]
    return {
        "claim_ms": 1_000 * statistics.median(claims),
        "commit_ms": 1_000 * statistics.median(commits),
        "median_ms": statistics.median(both),
        "mean_ms": statistics.fmean(both),
        "p95_ms": statistics.quantiles(both, n=20)[-1],
        "fsync_ms": _fsync_ms(),
    }


def _fsync_ms() -> float:
    """What one flush to this disk costs: two of them are in the figure, whatever the engine does."""
    times = []
    with tempfile.NamedTemporaryFile(dir=os.environ["ASSAY_HOME"]) as file:
        for _ in range(200):
            file.write(b"0" * 4_096)
            file.flush()
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return 1_000 * statistics.median(times)


def _workers() -> dict[str, Any]:
    """The same shards by one worker process and by two; and without the engine, the machine's limit."""
    organisation = _started()
    rounds = [{count: _timed(organisation, count) for count in (1, 2)} for _ in range(WORKER_ROUNDS)]
    seconds = {count: statistics.median(each[count] for each in rounds) for count in (1, 2)}
    bare = {count: _bare(count) for count in (1, 2)}
    return {
        "shards": CPU_SHARDS,
        "one_seconds": seconds[1],
        "two_seconds": seconds[2],
        "speedup": seconds[1] / seconds[2],
        "bare_speedup": bare[1] / bare[2],
        "cores": os.cpu_count(),
    }


def _timed(organisation: Any, count: int) -> float:
    from django.db import connection

    from jobs import services
    from jobs.models import Job

    job = services.submit(
        "benchmark", organisation, organisation.pk, request={"shards": CPU_SHARDS, "rounds": ROUNDS}
    )
    connection.close()

    def work() -> None:
        from jobs.worker import Slot

        Slot(["cpu"]).work()

    seconds = _side_by_side([work] * count)
    # one of two may have left while the other merged
    work()
    assert Job.unscoped.get(pk=job.pk).state == "done"
    connection.close()
    return seconds


def _bare(count: int) -> float:
    def work() -> None:
        for _ in range(CPU_SHARDS // count):
            _Session().run({"rounds": ROUNDS}, None)

    return _side_by_side([work] * count)


def _side_by_side(calls: Sequence[Any]) -> float:
    """Seconds until all calls, each in a forked process, have ended."""
    start = time.perf_counter()
    processes = []
    for call in calls:
        process = os.fork()
        if process == 0:
            try:
                call()
            finally:
                os._exit(0)
        processes.append(process)
    for process in processes:
        os.waitpid(process, 0)
    return time.perf_counter() - start


if __name__ == "__main__":
    print(json.dumps({"cost": _cost, "workers": _workers}.get(sys.argv[1] if sys.argv[1:] else "", run)()))
