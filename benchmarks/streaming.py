"""Does intake stay in bounded memory, at a cost linear in the rows?

Generates files of predictions (score, label, sex, race, two features) of growing length, takes each in in a
fresh process, and reports seconds and peak resident memory. `python -m benchmarks.streaming [ROWS ...]`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

ROWS = (1_000_000, 3_000_000, 10_000_000)
_CHUNK = 500_000
_SEXES = np.array(["Female", "Male"])
_RACES = np.array(["Asian", "Black", "Other", "White", "?"])


def run(rows: Sequence[int] = ROWS, formats: Sequence[str] = ("csv", "parquet")) -> dict[str, Any]:
    """Seconds and peak megabytes of intake for each format and number of rows.

    `growth` is the seconds per row of the longest file over those of the shortest (1 = linear).
    """
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in formats:
            measured = [_measure(Path(folder), kind, count) for count in rows]
            first, last = measured[0], measured[-1]
            results[kind] = {
                "measured": measured,
                "growth": (last["seconds"] / last["rows"]) / (first["seconds"] / first["rows"]),
            }
    return results


def _measure(folder: Path, kind: str, rows: int) -> dict[str, Any]:
    path = folder / f"rows.{kind}"
    _write(path, kind, rows)
    size = path.stat().st_size
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "benchmarks.streaming", "--child", str(path)],
            check=True,
            capture_output=True,
            text=True,
        )
    finally:
        path.unlink()
    found: dict[str, Any] = json.loads(answer.stdout)
    if found["rows"] != rows:
        raise RuntimeError(f"{kind}: {found['rows']} rows taken in of {rows}")
    return {**found, "file_megabytes": round(size / 2**20, 1)}


def _write(path: Path, kind: str, rows: int) -> None:
    chunks = _chunks(rows)
    first = next(chunks)
    writer = pa.csv.CSVWriter(path, first.schema) if kind == "csv" else pq.ParquetWriter(path, first.schema)
    with writer:
        writer.write_table(first)
        for chunk in chunks:
            writer.write_table(chunk)


def _chunks(rows: int) -> Iterator[pa.Table]:
    rng = np.random.default_rng(7)
    for first in range(0, rows, _CHUNK):
        n = min(_CHUNK, rows - first)
        score = rng.random(n)
        yield pa.table(
            {
                "score": np.round(score, 6),
                "label": (rng.random(n) < score).astype(np.int64),
                "sex": _SEXES[rng.integers(0, 2, n)],
                "race": _RACES[rng.choice(5, n, p=[0.1, 0.15, 0.05, 0.69, 0.01])],
                "income": np.round(rng.lognormal(10, 1, n), 2),
                "age": rng.integers(18, 90, n),
            }
        )


def _take_in(path: str) -> dict[str, Any]:
    """Intake and one pass over the batches in shards, as the child of an audit does it."""
    from assay.contracts import DataRequest, FileRequest
    from assay.intake.table import take_in
    from assay.methods.sharding import row_shards

    request = DataRequest(
        test=FileRequest(path=path), label="label", scores="score", sensitive=("sex", "race")
    )
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        subject = take_in(request, Path(scratch))
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        intake_peak = _peak_megabytes()
        hits = 0
        table = subject.dataset("test")
        for shard in row_shards("benchmark", table.rows):
            for batch in table.batches(["label", "sex", "race", "score"], shard.first_row, shard.stop_row):
                hits += int((batch.codes("label") * (batch.numbers("score") >= 0.5)).sum())
        reading = time.perf_counter() - start
        stored = sum(file.stat().st_size for file in Path(scratch).iterdir())
    return {
        "rows": subject.profile.test.rows,
        "seconds": round(seconds, 2),
        "reading_seconds": round(reading, 2),
        "intake_peak_megabytes": intake_peak,
        "peak_megabytes": _peak_megabytes(),
        "stored_megabytes": round(stored / 2**20, 1),
        "hits": hits,
    }


def _peak_megabytes() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Print the measurements as JSON."""
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(_take_in(sys.argv[2])))
    else:
        print(json.dumps(run(tuple(int(rows) for rows in sys.argv[1:]) or ROWS), indent=1))


if __name__ == "__main__":
    main()
