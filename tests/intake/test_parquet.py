"""Parquet: typed columns become the same tables as their text."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.contracts import DataRequest, FileRequest
from assay.datasets.subject import Subject
from assay.errors import BadInput
from assay.intake.parquet import plain_column
from assay.intake.table import take_in
from tests.support import table_subject


def _take(folder: Path, table: pa.Table | dict[str, Any], **request: Any) -> Subject:
    path = folder / "rows.bin"
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path, row_group_size=1_000)
    return take_in(DataRequest(test=FileRequest(path=str(path)), **({"label": "y"} | request)), folder)


def test_parquet_and_csv_give_the_same_columns(tmp_path: Path) -> None:
    columns = {
        "y": [1, 0, 1, 0],
        "p": [True, False, False, False],
        "score": [0.5, 0.25, None, 1.0],
        "sex": ["F", "M", None, "F"],
        "age": [30, 40, 50, 60],
        "flag": [True, True, None, False],
    }
    request = {"label": "y", "sensitive": ("sex", "age"), "bins": {"age": (40, 60)}}
    typed = _take(tmp_path, columns, **request)
    text = table_subject(tmp_path, columns, **request)
    assert typed.profile.test.columns == text.profile.test.columns
    assert typed.profile.roles == text.profile.roles


def test_many_row_groups_keep_their_order(tmp_path: Path) -> None:
    rows = 150_000
    table = _take(tmp_path, {"y": np.arange(rows) % 2, "i": np.arange(rows)}).dataset("test")
    values = np.concatenate([batch.numbers("i") for batch in table.batches(["i"])])
    np.testing.assert_array_equal(values, np.arange(rows))


def test_all_plain_types_are_read(tmp_path: Path) -> None:
    table = pa.table(
        {
            "y": pa.array([0, 1], pa.int8()),
            "unsigned": pa.array([1, 2**64 - 1], pa.uint64()),
            "half": pa.array(np.array([0.5, 1.5], dtype=np.float16)),
            "money": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
            "day": pa.array([dt.date(2024, 1, 2)] * 2),
            "moment": pa.array([dt.datetime(2024, 1, 2, 3, 4)] * 2, pa.timestamp("us", "UTC")),
            "large": pa.array(["a", "a"], pa.large_string()),
            "kind": pa.array(["b", "b"]).dictionary_encode(),
            "number_kind": pa.array([3, 3]).dictionary_encode(),
            "nothing": pa.nulls(2),
            "a.b": pa.array([1, 2]),
        }
    )
    profile = _take(tmp_path, table).profile.test
    kinds = {column.name: column.kind for column in profile.columns}
    assert [name for name, kind in kinds.items() if kind == "number"] == [
        "unsigned",
        "half",
        "money",
        "number_kind",
        "a.b",
    ]
    assert profile.column("day").categories == ("2024-01-02",)
    assert (profile.column("money").mean, profile.column("money").missing) == (1.5, 1)
    assert (profile.column("nothing").missing, profile.column("nothing").distinct) == (2, 0)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            pa.array([Decimal(12345678901234567891), Decimal(100), None], pa.decimal128(38, 0)),
            ["12345678901234567891", "100", None],
        ),
        (
            pa.array(
                [Decimal("100"), Decimal("0"), Decimal("-0.50"), Decimal("1E-10")], pa.decimal128(38, 12)
            ),
            ["100", "0", "-0.5", "0.0000000001"],
        ),
        (pa.array([Decimal(1200)], pa.decimal128(5, -2)), ["1200"]),
        (pa.array([Decimal(2**80)], pa.decimal256(60, 2)), [str(2**80)]),
        (
            pa.array([12345678.0, 1e15, -0.0, 0.1, float("nan"), float("inf")]),
            ["12345678", "1000000000000000", "0", "0.1", None, "inf"],
        ),
    ],
)
def test_numbers_read_as_text_keep_every_digit(values: pa.Array, text: list[str | None]) -> None:
    assert plain_column(values, as_text=True).to_pylist() == text


def test_nan_is_missing_in_typed_columns(tmp_path: Path) -> None:
    columns = {"y": [0, 1, 0], "s": [0.5, float("nan"), 1.0], "x": [float("nan"), 1.0, float("inf")]}
    with pytest.raises(BadInput, match="missing in 1 of 3 rows, first in data row 2"):
        _take(tmp_path, columns, scores="s")
    profile = _take(tmp_path, columns).profile
    assert profile.test.column("s").missing == 1
    assert profile.test.column("x").missing == 2
    with pytest.raises(BadInput, match="is infinite in data row 3"):
        _take(tmp_path, {"y": [0, 1, 0], "s": [0.5, 0.1, float("-inf")]}, scores="s")


def test_integer_labels_with_gaps_are_read_as_integers(tmp_path: Path) -> None:
    """pandas turns integers with gaps into floats; 1.0 is still the class 1."""
    subject = _take(
        tmp_path, {"y": [1.0, 0.0, None, 1.0], "p": [1, 0, 1, 1]}, predictions="p", allow_missing=True
    )
    assert subject.profile.signature.classes == ("0", "1")
    assert subject.profile.test.rows == 3


def test_sensitive_words_and_tokens_in_typed_strings_are_cleaned(tmp_path: Path) -> None:
    subject = _take(tmp_path, {"y": [1, 0, 1], "sex": [" F", "?", "F"]}, sensitive=("sex",))
    column = subject.profile.test.column("sex")
    assert (column.categories, column.missing) == (("F",), 1)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([[1], [2]]),
        pa.array([{"a": 1}, {"a": 2}]),
        pa.array([b"\x00", b"\x01"]),
    ],
)
def test_nested_and_binary_columns_are_refused_by_name(tmp_path: Path, values: pa.Array) -> None:
    with pytest.raises(BadInput, match=r'rows\.bin column "x" holds .* Drop or flatten the column\.'):
        _take(tmp_path, pa.table({"y": pa.array([0, 1]), "x": values}))


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())], ids=str
)
def test_a_text_longer_than_a_line_may_be_is_refused(tmp_path: Path, kind: pa.DataType) -> None:
    """Bytes count, not characters: at two bytes a character half as many reach the limit."""
    longest = "\u00e9" * 2**20
    for words in ([longest + "x", "b"], ["a", longest + "x"]):
        with pytest.raises(BadInput, match=r'column "x" holds a text of 2,097,153 bytes'):
            _take(tmp_path, pa.table({"y": [0, 1], "x": pa.array(words).cast(kind)}))
    _take(tmp_path, pa.table({"y": [0, 1], "x": pa.array([longest, "b"]).cast(kind)}))


def test_empty_parquet_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no data rows"):
        _take(tmp_path, {"y": pa.array([], pa.int64())})
    with pytest.raises(BadInput, match="has no columns"):
        _take(tmp_path, pa.table({}))


def test_names_are_not_given_to_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.bin"
    pq.write_table(pa.table({"y": [1, 0]}), path)
    request = DataRequest(test=FileRequest(path=str(path), header=("y",)), label="y")
    with pytest.raises(BadInput, match="leave --header out"):
        take_in(request, tmp_path)


def test_damaged_parquet_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"y": list(range(1_000)), "x": [f"w{i}" for i in range(1_000)]}), path)
    content = path.read_bytes()
    for broken in (content[:-5], content[:100], content[:40] + b"\xff" * 400 + content[440:]):
        path.write_bytes(broken)
        with pytest.raises(BadInput, match=r"rows\.parquet"):
            take_in(DataRequest(test=FileRequest(path=str(path)), label="y"), tmp_path)
