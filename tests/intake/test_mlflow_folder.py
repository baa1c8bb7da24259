"""MLflow model folders: what their MLmodel points to passes the gate, or is refused with the way out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from assay.contracts import GateVerdict, ModelRequest
from assay.errors import BadInput
from assay.intake.gate import Surroundings, let_in
from assay.loading import describe_model
from assay.registry import FORMATS
from tests.models.made import tiny_bert

PICKLE = b"\x80\x04\x95\x10\x00sklearn.linear_model"


def _folder(folder: Path, flavours: Mapping[str, Mapping[str, str]], **files: bytes) -> Path:
    folder.mkdir()
    (folder / "MLmodel").write_text(json.dumps({"flavors": flavours, "run_id": "r1"}))  # JSON is YAML
    (folder / "conda.yaml").write_text("name: x\n")
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return folder


def _booster(seed: int = 0) -> bytes:
    import xgboost

    rows = np.random.default_rng(seed).normal(size=(60, 2))
    data = xgboost.DMatrix(rows, label=rows[:, 0] > 0, feature_names=["age", "income"])
    return bytes(xgboost.train({"objective": "binary:logistic", "max_depth": 2}, data, 3).save_raw("json"))


def _refused(folder: Path) -> BadInput:
    with pytest.raises(BadInput) as found:
        let_in(ModelRequest(path=str(folder)), FORMATS.all(), Surroundings())
    return found.value


def test_an_xgboost_flavour_is_read_from_where_mlmodel_points(tmp_path: Path) -> None:
    flavours = {
        "python_function": {"loader_module": "mlflow.xgboost", "data": "model.json"},
        "xgboost": {"data": "model.json", "model_format": "json"},
    }
    folder = _folder(tmp_path / "run", flavours, model__json=_booster(), other__json=_booster(1))
    report = describe_model(ModelRequest(path=str(folder), device="cpu"))
    assert report.facts.format == "xgboost_json"
    assert report.facts.gate is not None
    assert (report.facts.gate.trust, report.facts.gate.came_as) == ("A", "mlflow.xgboost_json")
    assert [column.name for column in report.signature.columns] == ["age", "income"]
    assert report.claims is not None
    assert (report.claims.run_id, report.claims.flavours) == ("r1", ("xgboost", "python_function"))


def test_a_signature_beside_mlmodel_is_the_models(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "run", {"xgboost": {"data": "model.json"}}, model__json=_booster())
    own = describe_model(ModelRequest(path=str(folder), device="cpu")).signature
    said = own.model_copy(update={"classes": ("refused", "granted")})
    (folder / "signature.json").write_text(said.model_dump_json(by_alias=True))
    assert describe_model(ModelRequest(path=str(folder), device="cpu")).signature == said


def test_a_sound_model_beside_the_one_that_mlflow_would_load_is_not_taken(tmp_path: Path) -> None:
    flavours = {"sklearn": {"pickled_model": "model.pkl"}}
    folder = _folder(tmp_path / "run", flavours, model__pkl=PICKLE, model__json=_booster())
    found = _refused(folder)
    assert found.message.startswith(
        "run/model.pkl is a pickle of a scikit-learn model. Assay never opens pickles"
    )
    assert found.gate is not None
    assert GateVerdict.model_validate(found.gate).trust == "C"


def test_a_transformers_flavour_is_put_together_with_its_tokenizer(tmp_path: Path) -> None:
    whole = tiny_bert(tmp_path / "whole")
    folder = _folder(
        tmp_path / "run", {"transformers": {"model_binary": "model", "task": "text-classification"}}
    )
    for member in whole.iterdir():
        part = folder / (
            "components/tokenizer" if "token" in member.name or "vocab" in member.name else "model"
        )
        part.mkdir(parents=True, exist_ok=True)
        member.rename(part / member.name)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    report = describe_model(ModelRequest(path=str(folder), device="cpu"), Surroundings(scratch=scratch))
    assert report.facts.format == "huggingface"
    assert report.facts.gate is not None
    assert report.facts.gate.came_as == "mlflow.huggingface"


@pytest.mark.parametrize(
    ("mlmodel", "says"),
    [
        ("flavors: {xgboost: {data: ../model.json}}", "leads out of the folder"),
        ("flavors: {xgboost: {data: /etc/passwd}}", "leads out of the folder"),
        ("flavors: {xgboost: {data: gone.json}}", "points to no model in it"),
        ("flavors: {}", "names no flavors"),
        ("[1, 2]", "names no flavors"),
        ("flavors: &a {b: *a}", "anchors or aliases"),
        ("flavors: !!python/name:os.system {}", "uses a YAML tag"),
        ("flavors: {x: [1], y: 2, z: null}", "points to no model in it"),
    ],
)
def test_odd_mlmodel_files_are_refused_in_a_sentence(tmp_path: Path, mlmodel: str, says: str) -> None:
    folder = _folder(tmp_path / "run", {})
    (folder / "MLmodel").write_text(mlmodel)
    assert says in _refused(folder).message


def test_code_and_links_in_the_folder_are_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "run", {"xgboost": {"data": "model.json"}}, model__json=_booster())
    (folder / "code").mkdir()
    (folder / "code" / "loader.py").write_text("import os")
    found = _refused(folder)
    assert "holds code (code/loader.py)" in found.message
    assert found.gate is not None
    (folder / "code" / "loader.py").unlink()
    (folder / "link").symlink_to("/etc")
    assert "is a link" in _refused(folder).message
