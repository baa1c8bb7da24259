"""Equal values hash equally whatever the file, the format and the column's kind; different ones do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.contracts import DataRequest, FileRequest
from assay.datasets.row_hash import combine_hashes, hash_column, hash_numbers, hash_strings
from assay.intake.table import take_in
from tests.support import table_subject


def test_spellings_of_one_number_agree() -> None:
    hashes = hash_strings(["1", "1.0", "+1", "1e0", "01"])
    assert len(set(hashes.tolist())) == 1
    assert hashes[0] == hash_numbers(np.array([1.0]))[0]
    assert hash_strings(["0"])[0] == hash_numbers(np.array([-0.0]))[0]


def test_missing_is_one_value_and_no_number_or_word() -> None:
    missing = hash_strings([None])[0]
    assert missing == hash_numbers(np.array([np.nan]))[0]
    assert missing not in hash_strings(["", "0", "nan", "None"])


def test_large_identifiers_keep_their_last_digit() -> None:
    first, second = hash_strings(["90071992547409931", "90071992547409932"])
    assert first != second


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.text(max_size=5), st.integers().map(str), st.floats().map(str)), min_size=1
    )
)
def test_columns_of_text_hash_as_their_values(values: list[str | None]) -> None:
    np.testing.assert_array_equal(hash_column(pa.array(values, pa.string())), hash_strings(values))


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False), min_size=2, max_size=50, unique=True))
def test_different_numbers_hash_differently(values: list[float]) -> None:
    distinct = {value + 0.0 for value in values}
    assert len(set(hash_numbers(np.array(values)).tolist())) == len(distinct)


def test_order_and_number_of_columns_count() -> None:
    a, b = hash_strings(["x"]), hash_strings(["y"])
    rows = [combine_hashes(list(columns)) for columns in ([a, b], [b, a], [a], [a, a])]
    assert len({int(row[0]) for row in rows}) == 4


def test_hashes_spread_over_all_bits() -> None:
    hashes = combine_hashes([hash_numbers(np.arange(20_000.0)), hash_numbers(np.zeros(20_000))])
    assert len(np.unique(hashes)) == 20_000
    bits = np.unpackbits(hashes.view(np.uint8)).reshape(-1, 64).mean(axis=0)
    assert np.abs(bits - 0.5).max() < 0.02  # 5.6 standard errors of a fair bit


def test_csv_and_parquet_of_the_same_rows_agree(tmp_path: Path) -> None:
    columns = {
        "label": [1, 0, 1, 0],
        "age": [30, 41, 52, 30],
        "income": [1.5, None, 3.0, 1.5],
        "member": [True, False, True, True],
        "name": ["a", "b", None, "a"],
    }
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(columns), path)
    typed = take_in(DataRequest(test=FileRequest(path=str(path)), label="label"), tmp_path)
    (from_parquet,) = typed.dataset("test").batches(list(columns))
    (from_csv,) = table_subject(tmp_path, columns, label="label").dataset("test").batches(list(columns))
    for names in (["age"], ["income"], ["member"], ["name"], list(columns)):
        np.testing.assert_array_equal(from_parquet.row_hashes(names), from_csv.row_hashes(names))
    hashes = from_csv.row_hashes(["age", "income", "member", "name"])
    assert hashes[0] == hashes[3]
    assert len(set(hashes.tolist())) == 3


def test_kind_does_not_matter_across_datasets(tmp_path: Path) -> None:
    """The same column is a number in the test file and, for one odd word, a category in the training file."""
    subject = table_subject(
        tmp_path,
        {"label": [0, 1] * 3, "code": [1, 2, 3, 4, 5, 6]},
        training={"label": [0, 1] * 4, "code": ["1.0", "x", "x", "2", "2", "1.0", "x", "x"]},
        label="label",
    )
    (test,) = subject.dataset("test").batches(["code"])
    (training,) = subject.dataset("training").batches(["code"])
    assert subject.profile.test.column("code").kind == "number"
    assert subject.dataset("training").profile.column("code").kind == "category"
    assert training.row_hashes(["code"])[[0, 3]].tolist() == test.row_hashes(["code"])[[0, 1]].tolist()
