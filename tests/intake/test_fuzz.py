"""Whatever the bytes, the gate answers with a profile or with one sentence."""

from __future__ import annotations

import functools
import gzip
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save

from assay.contracts import DataRequest, FileRequest
from assay.errors import BadInput
from assay.intake.archives import checked_members, open_archive, read_member
from assay.intake.gate import refusal
from assay.intake.huggingface_files import check_huggingface, is_transformer
from assay.intake.safetensors_header import check_safetensors
from assay.intake.side_files import check_side_files
from assay.intake.table import take_in
from assay.intake.xgboost_trees import check_xgboost, looks_like_xgboost

_SETTINGS = settings(deadline=None, max_examples=75, suppress_health_check=[HealthCheck.too_slow])


def _answer(content: bytes, **request: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        try:
            subject = take_in(DataRequest(test=FileRequest(path=str(path)), **request), Path(folder))
        except BadInput as error:
            refusal = error.message
        else:
            refusal = ""
        if refusal:
            event("refused")
            assert "\n" not in refusal
            assert len(refusal) < 2_000
            return
        event("taken in")
        profile = subject.profile
        assert profile.model_validate_json(profile.model_dump_json()) == profile
        table = subject.dataset("test")
        names = [column.name for column in profile.test.columns]
        batches = list(table.batches(names))
        assert sum(batch.rows for batch in batches) == table.rows
        for batch in batches:
            assert len(batch.row_hashes(names)) == batch.rows
            for column in profile.test.columns:
                if column.kind == "category":
                    codes = batch.codes(column.name)
                    assert codes.min() >= -1
                    assert codes.max() < (len(column.categories) or column.distinct or 1)


@_SETTINGS
@given(st.binary(max_size=300))
@example(b'"')
@example(b"a\rb")
@example(b"\xef\xbb\xbf")
@example(b",")
@example(b'a,"b\n1,2')
def test_any_bytes(content: bytes) -> None:
    _answer(content, label="y")
    _answer(b"y\n" + content, label="y")
    _answer(gzip.compress(b"y,x\n" + content), label="y")


_CELL = st.one_of(
    st.sampled_from(
        ["0", "1", "yes", "no", "?", "", "nan", "inf", "1e999", "0.5", " 1 ", "007", "True", '"', "\r"]
    ),
    st.sampled_from(['"', "\r", "\n", "\t", "\x1b[2J", "\u202e", "+1", "-0.0"]),
    st.integers().map(str),
    st.floats().map(str),
    st.text(st.characters(codec="utf-8"), max_size=6),
)
_ROWS = st.lists(st.lists(_CELL, min_size=3, max_size=3), max_size=12)


@_SETTINGS
@given(
    _ROWS,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
    st.sampled_from(
        [
            {"label": "y"},
            {"label": "y", "predictions": "p"},
            {"label": "y", "scores": "p", "allow_missing": True},
            {"predictions": "p", "sensitive": ("g",), "favourable": "1"},
            {"label": "y", "predictions": "p", "task": "regression", "allow_missing": True},
            {"label": "y", "task": "multiclass", "cluster": "g", "allow_missing": True},
            {"label": "y", "identifier": "g", "allow_missing": True},
            {"label": "y", "sensitive": ("g",), "bins": {"g": (0.5,)}, "allow_missing": True},
            {"label": "y", "roles_column": "g"},
        ]
    ),
)
def test_any_cells(
    rows: list[list[str]], delimiter: str, newline: str, quoted: bool, request: dict[str, Any]
) -> None:
    def cell(value: str) -> str:
        return '"' + value.replace('"', '""') + '"' if quoted else value

    lines = [delimiter.join(["y", "p", "g"]), *(delimiter.join(map(cell, row)) for row in rows)]
    _answer(newline.join(lines).encode(), **request)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_damage_to_a_parquet_file(data: st.DataObject) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"y": [0, 1] * 20, "g": ["a", "b"] * 20, "x": [0.5] * 40}), sink)
    content = bytearray(sink.getvalue().to_pybytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    _answer(bytes(content), label="y", sensitive=("g",))


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_damage_to_an_npz(data: st.DataObject) -> None:
    sink = io.BytesIO()
    np.savez(sink, images=np.arange(160, dtype=np.uint8).reshape(10, 4, 4), labels=[0, 1] * 5, sex=["f"] * 10)
    content = bytearray(sink.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content))) if data.draw(st.booleans()) else len(content)
    _answer(bytes(content[:cut]), label="label")


def _as_the_library_reads(path: Path) -> None:
    """What the check lets through, the library reads, with the names and shapes that the check found."""
    refusal, found = "", {}
    try:
        found = check_safetensors(path)
    except BadInput as error:
        refusal = error.message
    if refusal:
        event("refused")
        assert "\n" not in refusal
        return
    event("let through")
    with safe_open(path, "numpy") as opened:
        shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    assert shapes == {name: shape for name, (_, shape) in found.items()}


_ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "U8", "BOOL", "F99", 7]),
        "shape": st.lists(st.one_of(st.integers(-2, 4), st.just(2**62), st.just("x")), max_size=3),
        "data_offsets": st.lists(st.one_of(st.integers(-1, 40), st.just(2**63)), min_size=0, max_size=3),
    }
)


@_SETTINGS
@given(
    st.one_of(
        st.binary(max_size=64),
        st.dictionaries(st.text(max_size=4), st.one_of(_ENTRY, st.integers(), st.none()), max_size=3).map(
            lambda header: json.dumps(header).encode()
        ),
    ),
    st.binary(max_size=48),
    st.one_of(st.none(), st.integers(0, 2**64 - 1)),
)
def test_any_safetensors_header(header: bytes, content: bytes, length: int | None) -> None:
    said = len(header) if length is None else length
    whole = said.to_bytes(8, "little") + header + content
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(whole)
        _as_the_library_reads(path)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_damage_to_safetensors(data: st.DataObject) -> None:
    content = bytearray(save({"a": np.ones((2, 3), np.float32), "b": np.arange(4)}))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content))) if data.draw(st.booleans()) else len(content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(bytes(content[:cut]))
        _as_the_library_reads(path)


def _one_sentence(ask: Callable[[], Any]) -> Any:
    """The answer, or one sentence of refusal; any other error is a finding."""
    try:
        answer = ask()
    except BadInput as error:
        refused = error.message
    else:
        event("let through")
        return answer
    event("refused")
    assert "\n" not in refused
    assert len(refused) < 2_000
    return None


def _damaged(data: st.DataObject, content: bytes, most: int = 4) -> bytes:
    found = bytearray(content)
    for _ in range(data.draw(st.integers(1, most))):
        found[data.draw(st.integers(0, len(found) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(found))) if data.draw(st.booleans()) else len(found)
    return bytes(found[:cut])


def _archive() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.txt", b"text" * 50)
        archive.writestr("c.npy", bytes(100), zipfile.ZIP_STORED)
        archive.comment = b"a comment"
    return sink.getvalue()


def _read_all(path: Path) -> int:
    with open_archive(path, path.name) as archive:
        members = checked_members(archive, path.name)
        read = sum(len(read_member(archive, member)) for member in members.values())
        assert read == sum(member.file_size for member in members.values())
        return len(members)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_damage_to_a_zip(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "archive.zip"
        path.write_bytes(_damaged(data, _ARCHIVE))
        _one_sentence(lambda: _read_all(path))
        assert refusal(path).message.endswith(".")


_ARCHIVE = _archive()


@functools.cache
def _booster() -> bytes:
    import xgboost

    matrix = xgboost.DMatrix(np.arange(20.0)[:, None] % 7, np.arange(20) % 2)
    return bytes(xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 2).save_raw("json"))


@settings(deadline=None, max_examples=75)
@given(st.data())
def test_any_damage_to_an_xgboost_model(data: st.DataObject) -> None:
    """Bytes and values: what the check lets through, the library loads and answers with finite numbers."""
    import xgboost

    content = _booster()
    if data.draw(st.booleans()):
        content = _damaged(data, content, 2)
    else:
        document = json.loads(content)
        tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
        key = data.draw(
            st.sampled_from(sorted(key for key in tree if isinstance(tree[key], list) and tree[key]))
        )
        value = data.draw(
            st.one_of(st.integers(-3, 12), st.just(2**40), st.floats(), st.none(), st.text(max_size=3))
        )
        tree[key][data.draw(st.integers(0, len(tree[key]) - 1))] = value
        content = json.dumps(document).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        path.write_bytes(content)
        looks_like_xgboost(path)
        checked = _one_sentence(lambda: check_xgboost(path, "model.json"))
        if checked is None:
            return
        booster = xgboost.Booster()
        try:
            booster.load_model(bytearray(checked.content))
        except xgboost.core.XGBoostError:
            return
        rows = np.linspace(-5, 5, 8, dtype=np.float32)[:, None].repeat(checked.num_feature, 1)
        assert np.isfinite(booster.inplace_predict(rows, predict_type="margin")).all()


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
_KEYS = st.sampled_from(
    [
        *(
            "architectures",
            "model_type",
            "auto_map",
            "id2label",
            "num_labels",
            "num_hidden_layers",
            "vocab_size",
        ),
        *("quantization_config", "chat_template", "text_config", "problem_type", "pad_token_id"),
    ]
)


@settings(deadline=None, max_examples=150)
@given(
    st.dictionaries(_KEYS, st.one_of(_JSON, st.just(["BertForSequenceClassification"])), max_size=6),
    st.dictionaries(
        st.sampled_from(["normalizer", "pre_tokenizer", "decoder", "padding", "model"]), _JSON, max_size=3
    ),
    st.binary(max_size=40),
)
def test_any_huggingface_config(config: dict[str, Any], tokenizer: dict[str, Any], weights: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
        (folder / "model.safetensors").write_bytes(weights)
        files = [(path.name, path) for path in sorted(folder.iterdir())]
        _one_sentence(lambda: check_side_files("model", files))
        if is_transformer(folder):
            _one_sentence(lambda: check_huggingface(folder))


@settings(deadline=None, max_examples=100)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=80).map(str.encode)))
@example(b"\x80\x04")
@example(b"PK\x03\x04")
@example(b"PK\x05\x06" + bytes(18))
@example(b"x\x9c")
@example(b"\x1f\x8b\x08")
def test_any_file_is_named_in_one_sentence(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        path.write_bytes(content)
        said = refusal(path).message
        assert "\n" not in said
        assert said.startswith("model is ")
