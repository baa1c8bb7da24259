"""Every kind of data over the API alone: uploaded, read, audited, and its evidence fetched."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.test import Client
from PIL import Image

from accounts.api_auth import new_token
from tests import factory
from tests.conftest import People, make_people
from tests.models.pictures import tiny_cnn

pytestmark = pytest.mark.usefixtures("committed")
ROWS = 160


class Desk:
    """An engineer who has nothing but a token."""

    def __init__(self, people: People) -> None:
        _token, secret = new_token(people.engineer, people.organisation, "x", ["read", "write"])
        self._client, self._headers = Client(), {"Authorization": f"Bearer {secret}"}
        self.system = self.post("/systems", {"name": "Screen"})["id"]

    def post(self, path: str, body: Any = None) -> Any:
        answer = self._client.post(
            f"/api/v1{path}", body or {}, content_type="application/json", headers=self._headers
        )
        assert answer.status_code in (200, 201), answer.content
        return answer.json()

    def get(self, path: str) -> Any:
        answer = self._client.get(f"/api/v1{path}", headers=self._headers)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def upload(self, name: str, content: bytes) -> dict[str, str]:
        made = self.post("/uploads", {"name": name, "size": len(content)})
        answer = self._client.generic(
            "PUT",
            f"/api/v1/uploads/{made['id']}?offset=0",
            content,
            content_type="application/octet-stream",
            headers=self._headers,
        )
        assert answer.status_code == 200, answer.content
        self.post(f"/uploads/{made['id']}/finish")
        return {"upload": made["id"]}

    def data(self, files: dict[str, tuple[str, bytes]], **description: Any) -> str:
        dataset = self.post(f"/systems/{self.system}/datasets", {"name": f"d{len(files)}{files['test'][0]}"})
        uploaded = {role: self.upload(*file) for role, file in files.items()}
        made = self.post(
            f"/datasets/{dataset['id']}/versions", {"files": uploaded, "description": description}
        )
        factory.run_jobs()
        found = self.get(f"/dataset-versions/{made['id']}")
        assert found["state"] == "ready", found["refusal"]
        return str(made["id"])

    def audited(self, model: str, data: str, method: str) -> Any:
        of = {"model_version": model, "dataset_version": data}
        run = self.post("/audits", {**of, "tier": "quick", "methods": [method], "start": True})
        factory.run_jobs()
        found = self.get(f"/audits/{run['id']}")
        assert found["state"] == "done", found
        return self.get(f"/audits/{run['id']}/evidence.json")


def _columns() -> dict[str, list[Any]]:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, ROWS)
    return {
        "id": [f"P{i}" for i in range(ROWS)],
        "y": y.tolist(),
        "p": np.where(rng.random(ROWS) < 0.8, y, 1 - y).tolist(),
        "sex": np.where(rng.random(ROWS) < 0.5, "f", "m").tolist(),
    }


def _delimited(columns: dict[str, list[Any]], by: str = ",") -> bytes:
    lines = [by.join(columns), *(by.join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    return "\n".join(lines).encode()


def _files() -> dict[str, dict[str, tuple[str, bytes]]]:
    columns = _columns()
    parquet = io.BytesIO()
    pq.write_table(pa.table(columns), parquet)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    people = {name: columns[name][::-1] for name in ("id", "sex")}
    log = [json.dumps({"id": row["id"], "p": row["p"]}) for row in rows]
    return {
        "csv": {"test": ("t.csv", _delimited(columns))},
        "tsv": {"test": ("t.tsv", _delimited(columns, "\t"))},
        "parquet": {"test": ("t.parquet", parquet.getvalue())},
        "jsonl": {"test": ("t.jsonl", "\n".join(map(json.dumps, rows)).encode())},
        "apart": {
            "test": ("t.csv", _delimited({name: columns[name] for name in ("id", "y")})),
            "attributes": ("people.csv", _delimited(people)),
            "predictions": ("log.jsonl", "\n".join(log).encode()),
        },
    }


def test_a_table_gives_the_same_result_in_every_format_and_in_files_apart() -> None:
    desk = Desk(make_people())
    model = desk.post(f"/systems/{desk.system}/models", {"name": "scorer"})
    version = desk.post(f"/models/{model['id']}/predictions", {"predictions": "p"})["id"]
    digests = {}
    for kind, files in _files().items():
        data = desk.data(files, label="y", favourable="1", identifier="id", sensitive=["sex"])
        evidence = desk.audited(version, data, "fairness.group_rates")
        digests[kind] = evidence["result_digest"]
        if kind == "apart":
            joined = evidence["subject"]["datasets"][0]["joined"]
            assert [each["name"] for each in joined] == ["people.csv", "log.jsonl"]
    assert len(set(digests.values())) == 1, digests


def test_pictures_in_a_zip_are_audited(tmp_path: Any) -> None:
    desk, rng, packed = Desk(make_people()), np.random.default_rng(2), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(40):
            content = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(content, "PNG")
            archive.writestr(f"shapes/{('dark', 'light')[number % 2]}/{number}.png", content.getvalue())
    data = desk.data({"test": ("shapes.zip", packed.getvalue())}, label="label")
    folder = tiny_cnn(tmp_path / "model")
    model = desk.post(f"/systems/{desk.system}/models", {"name": "cnn"})
    files = [{**desk.upload(f.name, f.read_bytes()), "path": f.name} for f in sorted(folder.iterdir())]
    version = desk.post(f"/models/{model['id']}/versions", {"files": files})["id"]
    factory.run_jobs()
    evidence = desk.audited(version, data, "performance.classification")
    assert evidence["subject"]["modality"] == "image"
    assert evidence["subject"]["datasets"][0]["rows"] == 40
