"""Every model that Assay does not read is refused by what it is, with the way out, and nothing in it runs."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
import xgboost
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from torch import nn

from assay.contracts import ModelRequest
from assay.errors import BadInput
from assay.intake.foreign_models import foreign_model
from assay.intake.gate import format_of
from assay.intake.model_files import MAX_FILES
from assay.loading import load_model
from assay.registry import FORMATS
from tests.models.made import linear_folder, number, tiny_bert


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, ...]]:
        return os.mkdir, (str(self.place),)


def _refusal(path: Path) -> str:
    with pytest.raises(BadInput) as refused:
        load_model(ModelRequest(path=str(path), device="cpu"))
    message = refused.value.message
    assert "\n" not in message
    assert message.endswith((".", ".)"))
    return message


def _kind(path: Path) -> str | None:
    found = format_of(path, FORMATS.all())
    return None if found is None else found.spec.id


def _booster() -> xgboost.Booster:
    matrix = xgboost.DMatrix(np.arange(20.0)[:, None], np.arange(20) % 2)
    return xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 2)


def _archive(*names: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return sink.getvalue()


def _torch_saved(what: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    torch.save(what, sink, **options)
    return sink.getvalue()


def _scripted() -> bytes:
    sink = io.BytesIO()
    with pytest.warns(DeprecationWarning, match="jit"):
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), sink)
    return sink.getvalue()


def _exported() -> bytes:
    sink = io.BytesIO()
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)), sink)
    return sink.getvalue()


def _joblib(compress: int) -> bytes:
    sink = io.BytesIO()
    joblib.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), sink, compress=compress)
    return sink.getvalue()


ONNX = b"\x08\x08\x12\x07pytorch\x1a\x052.3.0:\x80\x01"
"""The first fields of a ModelProto: ir_version 8, producer_name, producer_version, graph."""
LIES: dict[str, tuple[Callable[[], bytes], str]] = {
    "pickle": (lambda: pickle.dumps({"a": 1}), "a Python pickle.*never opens pickles.*assay formats"),
    "pickle, protocol 0": (lambda: pickle.dumps({"a": 1}, protocol=0), "a Python pickle"),
    "sklearn": (lambda: pickle.dumps(LogisticRegression()), "pickle of a scikit-learn model"),
    "xgboost pickle": (
        lambda: pickle.dumps(_booster()),
        r"pickle of an XGBoost model.*save_model\('model\.json'\)",
    ),
    "joblib": (lambda: _joblib(0), "scikit-learn"),
    "joblib, compressed": (
        lambda: _joblib(3),
        "compressed file that holds a joblib file of a scikit-learn.*skops.io.dump",
    ),
    "gzipped pickle": (
        lambda: gzip.compress(pickle.dumps([1, 2])),
        "compressed file that holds a Python pickle",
    ),
    "zlib of text": (lambda: zlib.compress(b"hello"), "no model that Assay reads"),
    "torch state": (
        lambda: _torch_saved(nn.Linear(2, 2).state_dict()),
        r"format torch_checkpoint, which is opened only where.*assay convert",
    ),
    "torch module, old": (
        lambda: _torch_saved(nn.Linear(2, 2), _use_new_zipfile_serialization=False),
        r"format torch_checkpoint, which is opened only where.*assay convert",
    ),
    "torchscript": (_scripted, "TorchScript.*which is code"),
    "pt2": (_exported, "format exported_program, which is opened only where.*assay convert"),
    "keras": (
        lambda: _archive("metadata.json", "config.json", "model.weights.h5"),
        r"Keras model \(\.keras\)",
    ),
    "keras h5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5 file, as Keras"),
    "skops": (lambda: _archive("schema.json", "0.npy"), "schema.json is not whole JSON"),
    "onnx": (lambda: ONNX, "no sound ONNX model"),
    "savedmodel": (lambda: b"\x08\x01\x12\xf5\x06\n\xc5\x02", "TensorFlow SavedModel"),
    "tflite": (lambda: b"\x1c\0\0\0TFL3" + bytes(32), "TensorFlow Lite"),
    "gguf": (lambda: b"GGUF\x03\0\0\0", "GGUF.*folder of safetensors"),
    "ubjson": (lambda: b"{L" + bytes(7) + b"\x05modelN}", r"UBJSON, but no XGBoost model.*model\.json"),
    "xgboost dump": (
        lambda: json.dumps([json.loads(t) for t in _booster().get_dump(dump_format="json")]).encode(),
        "dump of an XGBoost",
    ),
    "lightgbm": (lambda: b"tree\nversion=v4\nnum_class=1\n", "no sound LightGBM model: it holds no trees"),
    "lightgbm dump": (lambda: b'{"name":"tree","version":"v4"}', r"cannot be loaded.*model\.txt"),
    "catboost": (lambda: b"CBM1\0\0", "CatBoost"),
    "npz": (lambda: _archive("images.npy"), "npz of arrays.*--data"),
    "zip": (lambda: _archive("model/readme"), "zip archive. Unpack"),
    "broken zip": (lambda: _archive("a")[:40], "damaged zip"),
    "csv": (lambda: b"a,b\n1,2\n3,4\n", "a table, not a model.*--data"),
    "parquet": (lambda: b"PAR1" + bytes(20), "a table, not a model"),
    "json": (lambda: b'{"task": "binary"}', "JSON, but no XGBoost model.*name its folder"),
    "python": (lambda: b"# my model\nimport torch\n", "Python source.*no code of others"),
    "pmml": (lambda: b"<?xml version='1.0'?><PMML version='4.4'>", "PMML"),
    "pdf": (lambda: b"%PDF-1.7", "a PDF"),
    "empty": (lambda: b"", "an empty file"),
    "words": (lambda: b"hello there", "no model that Assay reads"),
}


@pytest.mark.parametrize("kind", LIES)
def test_a_foreign_file_is_named_whatever_it_calls_itself(tmp_path: Path, kind: str) -> None:
    make, part = LIES[kind]
    path = tmp_path / "model.json"
    path.write_bytes(make())
    with pytest.raises(BadInput, match=part):
        load_model(ModelRequest(path=str(path), device="cpu"))
    assert _refusal(path).startswith("model.json is ")
    folder = tmp_path / "folder"
    folder.mkdir()
    path.rename(folder / "model.bin")
    assert "folder" in _refusal(folder), "inside a folder it is no better"


def test_nothing_is_unpickled_on_the_way_to_a_refusal(tmp_path: Path) -> None:
    exploded = tmp_path / "exploded"
    for name, content in (
        ("model.pkl", pickle.dumps(Bomb(exploded))),
        ("model.pt", _torch_saved({"a": Bomb(exploded)})),
        ("pytorch_model.bin", gzip.compress(pickle.dumps(Bomb(exploded)))),
    ):
        (tmp_path / name).write_bytes(content)
        _refusal(tmp_path / name)
        assert not exploded.exists()
    pickle.loads((tmp_path / "model.pkl").read_bytes())  # noqa: S301 our own bytes, to see them go off
    assert exploded.exists(), "the bomb would have gone off"


def test_weights_alone_are_told_what_they_lack(tmp_path: Path) -> None:
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "model.safetensors")
    assert "weights without what they belong to" in _refusal(tmp_path / "model.safetensors")
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "model.safetensors").rename(folder / "model.safetensors")
    assert "lacks architecture.json and signature.json" in _refusal(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return linear_folder(tmp_path / "m", [number("x")], [1.0])


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda f: (f / "model.safetensors").unlink(), r"lacks model\.safetensors"),
        (lambda f: (f / "signature.json").unlink(), r"signature\.json is missing"),
        (lambda f: (f / "modeling.py").write_text("print(1)"), r"holds code \(modeling\.py\)"),
        (lambda f: (f / "sub").mkdir() or (f / "sub" / "x.so").write_bytes(b""), r"holds code \(sub/x\.so\)"),
        (lambda f: (f / "more").symlink_to("/etc"), "is a link"),
        (lambda f: (f / "more.json").symlink_to("signature.json"), "is a link"),
        (lambda f: os.mkfifo(f / "pipe"), "no regular file"),
        (lambda f: [(f / f"{i}").touch() for i in range(MAX_FILES)], "more than 2,000 files"),
        (lambda f: os.truncate(f / "signature.json", 65 * 2**20), "more than 64 MB of JSON"),
        (lambda f: os.truncate(f / "model.safetensors", 40), "cut short"),
        (lambda f: (f / "architecture.json").write_text("{"), "is not JSON"),
    ],
)
def test_a_folder_with_more_or_less_than_a_model_is_refused(
    folder: Path, spoil: Callable[[Path], Any], part: str
) -> None:
    load_model(ModelRequest(path=str(folder), device="cpu"))
    spoil(folder)
    with pytest.raises(BadInput, match=part):
        load_model(ModelRequest(path=str(folder), device="cpu"))


def test_paths_that_are_no_models(tmp_path: Path) -> None:
    assert "There is no model nothing" in _refusal(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    assert "empty folder" in _refusal(tmp_path / "empty")
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in _refusal(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    assert "is a link" in _refusal(tmp_path / "link")
    assert "special" not in _refusal(Path("/dev/null"))
    for mark, part in (
        ("saved_model.pb", "SavedModel"),
        ("MLmodel", "MLflow"),
        ("adapter_config.json", "adapter"),
    ):
        other = tmp_path / mark.partition(".")[0]
        other.mkdir()
        (other / mark).write_bytes(b"x")
        assert part in _refusal(other)


def test_two_boosters_in_a_folder_are_not_chosen_between(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_bytes(bytes(_booster().save_raw("json")))
    assert "holds 2 XGBoost models (a.json, b.json)" in _refusal(tmp_path)


def test_what_is_read_is_recognised_without_its_name(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b" \n" + bytes(_booster().save_raw("json")))
    assert _kind(path) == "xgboost_json"
    assert load_model(ModelRequest(path=str(path), device="cpu")).facts.format == "xgboost_json"
    assert _kind(linear_folder(tmp_path / "m", [number("x")], [1.0])) == "torch_folder"
    bert = tiny_bert(tmp_path / "bert")
    assert _kind(bert) == "huggingface"
    shutil.copy(tmp_path / "m" / "signature.json", tmp_path / "alone.json")
    assert _kind(tmp_path / "alone.json") is None


def test_a_file_of_many_comments_is_told_at_once(tmp_path: Path) -> None:
    path, began = tmp_path / "model.txt", time.perf_counter()
    path.write_bytes(b"#!python\n" * 26 + b"x = 1")
    assert foreign_model(path) is None
    path.write_bytes(b'#!/usr/bin/python\n# of ours\n"""A\nmodel"""\nfrom os import path')
    found = foreign_model(path)
    assert found is not None
    assert found.what == "Python source"
    assert time.perf_counter() - began < 1
