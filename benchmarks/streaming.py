"""Does intake stay in bounded memory, at a cost linear in the rows?

Generates files of predictions (id, score, label, sex, race, two features) of growing length, takes each in in
a fresh process, and reports seconds and peak resident memory. `joined` is CSV whose sex and race stand in a
file of their own, in another order, one row in fifty missing; `log` is CSV whose scores stand in a log of
predictions, in another order, every tenth of them twice: the newer one counts.
`python -m benchmarks.streaming [--formats csv,parquet,jsonl,joined,log] [ROWS ...]`.
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


FORMATS = ("csv", "parquet", "jsonl", "joined", "log")
_APART = {"joined": ("sex", "race"), "log": ("score",)}
"""Columns that stand in a file of their own."""


def run(rows: Sequence[int] = ROWS, formats: Sequence[str] = FORMATS) -> dict[str, Any]:
    """Seconds and peak megabytes of intake for each format and number of rows.

    `growth` is the seconds per row of the longest file over those of the shortest (1 = linear).
    """
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in formats:
            measured = []
            for count in rows:
                measured.append(_measure(Path(folder), kind, count))
                print(kind, json.dumps(measured[-1]), file=sys.stderr, flush=True)
            first, last = measured[0], measured[-1]
            results[kind] = {
                "measured": measured,
                "growth": (last["seconds"] / last["rows"]) / (first["seconds"] / first["rows"]),
            }
    return results


def _measure(folder: Path, kind: str, rows: int) -> dict[str, Any]:
    path, apart = folder / f"rows.{kind}", folder / "apart.csv"
    _write(path, kind, rows)
    if kind == "joined":
        _write_people(apart, rows)
    elif kind == "log":
        _write_log(apart, rows)
    files = [path, apart] if kind in _APART else [path]
    size = sum(file.stat().st_size for file in files)
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "benchmarks.streaming", "--child", kind, *map(str, files)],
            check=True,
            capture_output=True,
            text=True,
        )
    finally:
        for file in files:
            file.unlink()
    found: dict[str, Any] = json.loads(answer.stdout)
    if found["rows"] != rows:
        raise RuntimeError(f"{kind}: {found['rows']} rows taken in of {rows}")
    return {**found, "file_megabytes": round(size / 2**20, 1)}


def _write(path: Path, kind: str, rows: int) -> None:
    chunks = _chunks(rows)
    if kind == "jsonl":
        _write_lines(path, chunks)
        return
    if kind in _APART:
        chunks = (chunk.drop_columns(list(_APART[kind])) for chunk in chunks)
    first = next(chunks)
    writer = (
        pq.ParquetWriter(path, first.schema) if kind == "parquet" else pa.csv.CSVWriter(path, first.schema)
    )
    with writer:
        writer.write_table(first)
        for chunk in chunks:
            writer.write_table(chunk)


def _write_lines(path: Path, chunks: Iterator[pa.Table]) -> None:
    with path.open("w") as file:
        for chunk in chunks:
            names = chunk.column_names
            for row in zip(*(column.to_pylist() for column in chunk.columns), strict=True):
                file.write(json.dumps(dict(zip(names, row, strict=True)), separators=(",", ":")) + "\n")


def _write_people(path: Path, rows: int) -> None:
    """Sex and race by id, in an order of their own; every fiftieth id is left out."""
    order = np.random.default_rng(11).permutation(rows)
    order = order[order % 50 != 0]
    rng = np.random.default_rng(12)
    schema = pa.schema([("id", pa.string()), ("sex", pa.string()), ("race", pa.string())])
    with pa.csv.CSVWriter(path, schema) as writer:
        for first in range(0, len(order), _CHUNK):
            some = order[first : first + _CHUNK]
            columns = [
                _ids(some),
                _SEXES[rng.integers(0, 2, len(some))],
                _RACES[rng.integers(0, 4, len(some))],
            ]
            writer.write_table(pa.table(columns, schema=schema))


def _write_log(path: Path, rows: int) -> None:
    """Scores by id with the second at which each was given; every tenth was another one a while before."""
    scores = np.concatenate([chunk["score"].to_numpy() for chunk in _chunks(rows)])
    rng = np.random.default_rng(13)
    entries = rng.permutation(np.concatenate([np.arange(rows), np.arange(0, rows, 10) + rows]))
    schema = pa.schema([("id", pa.string()), ("at", pa.int64()), ("score", pa.float64())])
    with pa.csv.CSVWriter(path, schema) as writer:
        for first in range(0, len(entries), _CHUNK):
            some = entries[first : first + _CHUNK]
            older, row = some >= rows, some % rows
            columns = [_ids(row), np.where(older, 1, 2), np.where(older, 1 - scores[row], scores[row])]
            writer.write_table(pa.table(columns, schema=schema))


def _ids(numbers: Any) -> pa.Array:
    """P0000000 and the like."""
    return pa.array(np.char.add("P", np.char.zfill(np.asarray(numbers).astype(str), 8)))


def _chunks(rows: int) -> Iterator[pa.Table]:
    rng = np.random.default_rng(7)
    for first in range(0, rows, _CHUNK):
        n = min(_CHUNK, rows - first)
        score = rng.random(n)
        yield pa.table(
            {
                "id": _ids(np.arange(first, first + n)),
                "score": np.round(score, 6),
                "label": (rng.random(n) < score).astype(np.int64),
                "sex": _SEXES[rng.integers(0, 2, n)],
                "race": _RACES[rng.choice(5, n, p=[0.1, 0.15, 0.05, 0.69, 0.01])],
                "income": np.round(rng.lognormal(10, 1, n), 2),
                "age": rng.integers(18, 90, n),
            }
        )


def _take_in(kind: str, path: str, apart: str = "") -> dict[str, Any]:
    """Intake and one pass over the batches in shards, as the child of an audit does it."""
    from assay.contracts import DataRequest, FileRequest
    from assay.intake.table import take_in
    from assay.methods.sharding import row_shards

    request = DataRequest(
        test=FileRequest(path=path),
        attributes=FileRequest(path=apart) if kind == "joined" else None,
        predictions_file=FileRequest(path=apart) if kind == "log" else None,
        predictions_time="at" if kind == "log" else None,
        identifier="id",
        label="label",
        scores="score",
        sensitive=("sex", "race"),
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
        print(json.dumps(_take_in(*sys.argv[2:])))
        return
    said = sys.argv[1:]
    formats: Sequence[str] = FORMATS
    if said[:1] == ["--formats"]:
        formats, said = said[1].split(","), said[2:]
    print(json.dumps(run(tuple(int(rows) for rows in said) or ROWS, formats), indent=1))


if __name__ == "__main__":
    main()
