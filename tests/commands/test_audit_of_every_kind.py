"""`assay audit` end to end on every kind of data that it takes: files in, sealed report out."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from assay.commands.audit import AuditOptions, run_audit
from assay.evidence import load
from tests.support import write_csv

ROWS = 240


def _columns() -> dict[str, list[Any]]:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, ROWS)
    return {
        "id": [f"P.{i}" for i in range(ROWS)],
        "y": y.tolist(),
        "p": np.where(rng.random(ROWS) < 0.8, y, 1 - y).tolist(),
        "sex": np.where(rng.random(ROWS) < 0.5, "f", "m").tolist(),
        "x": rng.normal(size=ROWS).round(3).tolist(),
    }


def _csv(folder: Path) -> Path:
    return write_csv(folder / "rows.csv", _columns())


def _tsv(folder: Path) -> Path:
    path = folder / "rows.tsv"
    path.write_text(_csv(folder).read_text().replace(",", "\t"))
    return path


def _parquet(folder: Path) -> Path:
    pq.write_table(pa.table(_columns()), folder / "rows.parquet")
    return folder / "rows.parquet"


def _jsonl(folder: Path) -> Path:
    columns = _columns()
    lines = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def _audit(out: Path, data: Path, **options: Any) -> Any:
    said = {
        "label": "y",
        "predictions": "p",
        "favourable": "1",
        "tier": "quick",
        "keep_rows": False,
        "methods": ("fairness.group_rates",),
        **options,
    }
    assert run_audit(AuditOptions(data=data, out=out, **said)) == 0
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")
    return load(out / "evidence.json")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))


def test_a_table_gives_the_same_result_in_every_format(tmp_path: Path) -> None:
    digests = {
        make.__name__: _audit(tmp_path / make.__name__, make(tmp_path), sensitive=("sex",)).result_digest
        for make in (_csv, _tsv, _parquet, _jsonl)
    }
    assert len(set(digests.values())) == 1, digests


def test_attributes_and_predictions_from_files_of_their_own(tmp_path: Path) -> None:
    columns = _columns()
    together = _audit(tmp_path / "together", write_csv(tmp_path / "all.csv", columns), sensitive=("sex",))
    order = np.random.default_rng(0).permutation(ROWS)
    people = {"person": [columns["id"][i] for i in order], "sex": [columns["sex"][i] for i in order]}
    log = {
        "id": [*columns["id"], "P.0"],
        "when": [f"2025-02-01T00:00:{i % 60:02}" for i in range(ROWS)] + ["2025-01-01T00:00:00"],
        "p": [*columns["p"], 1 - columns["p"][0]],
    }
    apart = _audit(
        tmp_path / "apart",
        write_csv(tmp_path / "rows.csv", {name: columns[name] for name in ("id", "y", "x")}),
        identifier="id",
        attributes=write_csv(tmp_path / "people.csv", people),
        attributes_id="person",
        predictions_file=write_csv(tmp_path / "log.csv", log),
        predictions_time="when",
    )
    assert apart.result_digest == together.result_digest
    some = {name: values[:-24] for name, values in people.items()}
    bounded = _audit(
        tmp_path / "bounded",
        write_csv(tmp_path / "rows.csv", {name: columns[name] for name in ("id", "y", "p", "x")}),
        identifier="id",
        attributes=write_csv(tmp_path / "people.csv", some),
        attributes_id="person",
    )
    (joined,) = bounded.subject.test.joined
    assert (joined.name, joined.unmatched) == ("people.csv", 24)
    pair = next(m for m in bounded.measures if m.id == "fairness.selection_rate_difference")
    assert pair.unknown is not None
    assert pair.unknown.share == pytest.approx(0.1)
    page = (tmp_path / "bounded" / "report.html").read_text()
    assert "Files joined by id" in page
    assert "What rows of unknown group leave open by sex" in page
    assert "P.17" not in page
    assert "P.17" not in (tmp_path / "bounded" / "evidence.json").read_text()


def test_pictures_in_a_zip(tmp_path: Path) -> None:
    from tests.models.pictures import tiny_cnn

    rng = np.random.default_rng(2)
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for number in range(60):
            path = tmp_path / "one.png"
            Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
            archive.write(path, f"shapes/{('dark', 'light')[number % 2]}/{number}.png")
    tiny_cnn(tmp_path / "model")
    evidence = _audit(
        tmp_path / "out",
        tmp_path / "pictures.zip",
        label="label",
        predictions=None,
        favourable=None,
        model=tmp_path / "model",
        methods=("performance.classification",),
    )
    assert evidence.subject.modality == "image"
    assert evidence.subject.test.rows == 60
