"""Ten million rows through the real engine: child, shards, merge; peak memory and cost a row."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["run"]

ROWS = (2_000_000, 10_000_000)
_BLOCK = 500_000


def run(rows: Sequence[int] = ROWS) -> dict[str, Any]:
    """Seconds and peak megabytes (the larger of supervisor and child) of an audit without a report.

    `growth` is seconds a row at the longest table over seconds a row at the shortest (1 = linear).
    """
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for count in rows:
            path = Path(folder) / "rows.parquet"
            _write(path, count)
            answer = subprocess.run(
                [sys.executable, "-m", "benchmarks.large_audit", str(path)],
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ, "TMPDIR": folder},
            )
            measured.append({"rows": count, **json.loads(answer.stdout)})
            path.unlink()
    first, last = measured[0], measured[-1]
    growth = (last["seconds"] / last["rows"]) / (first["seconds"] / first["rows"])
    return {"measured": measured, "growth": growth}


def _write(path: Path, rows: int) -> None:
    """A table of decisions with two sensitive attributes and two features, in blocks."""
    rng = np.random.default_rng(3)
    sexes, races = pa.array(["Female", "Male"]), pa.array(["A", "B", "C", "D", "E"])
    writer = None
    for first in range(0, rows, _BLOCK):
        size = min(_BLOCK, rows - first)
        merit = rng.normal(size=size)
        score = 1 / (1 + np.exp(-merit))
        block = pa.table(
            {
                "score": score,
                "label": np.where(rng.random(size) < score, "yes", "no"),
                "sex": pa.DictionaryArray.from_arrays(pa.array(rng.integers(0, 2, size)), sexes),
                "race": pa.DictionaryArray.from_arrays(pa.array(rng.integers(0, 5, size)), races),
                "income": np.exp(merit),
                "age": rng.integers(18, 90, size),
            }
        )
        writer = writer or pq.ParquetWriter(path, block.schema)
        writer.write_table(block)
    if writer is not None:
        writer.close()


def _child(path: Path) -> None:
    from assay.contracts import AuditPlan, DataRequest, FileRequest, Profile
    from assay.engine import AuditRequest, audit
    from assay.runner.supervisor import Supervisor

    class Silent:
        def planned(self, plan: AuditPlan, profile: Profile) -> None: ...
        def progress(self, doing: str, done: float) -> None: ...

    request = DataRequest(
        test=FileRequest(path=str(path)),
        label="label",
        scores="score",
        favourable="yes",
        sensitive=("sex", "race"),
    )
    start = time.perf_counter()
    with Supervisor(request) as supervisor:
        evidence = audit(AuditRequest(title="large", command=()), supervisor, Silent())
    seconds = time.perf_counter() - start
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    found = {
        "seconds": seconds,
        "steps": dict(evidence.manifest.seconds),
        "shards": evidence.manifest.shards,
        "supervisor_mb": own / 1024,
        "child_mb": child / 1024,
        "peak_mb": max(own, child) / 1024,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    _child(Path(sys.argv[1]))
