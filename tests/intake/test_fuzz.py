"""Whatever the bytes, the gate answers with a profile or with one sentence."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
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
from assay.intake.safetensors_header import check_safetensors
from assay.intake.table import take_in

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
