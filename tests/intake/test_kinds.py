"""Columns that a user says are something else than their values look like, or not to be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assay.contracts import DataRequest, DatasetProfile, FileRequest
from assay.errors import BadInput
from assay.intake.describe import describe_data
from assay.intake.table import take_in
from tests.support import write_csv

COLUMNS = {
    "y": [0, 1] * 10,
    "p": [0, 1] * 10,
    "code": [1, 2, 3, 4] * 5,
    "word": ["a", "b"] * 10,
    "secret": [f"s{i}" for i in range(20)],
}


def _test(folder: Path, **request: Any) -> DatasetProfile:
    asked = DataRequest(
        test=FileRequest(path=str(write_csv(folder / "rows.csv", COLUMNS))),
        label="y",
        predictions="p",
        **request,
    )
    described, taken = describe_data(asked, folder).datasets[0], take_in(asked, folder).profile.test
    for column in described.columns:
        if column.name not in ("y", "p"):
            assert column == taken.column(column.name)
    return taken


def test_a_code_of_digits_is_a_category_and_a_word_a_text_where_it_is_said(tmp_path: Path) -> None:
    found = _test(tmp_path, kinds={"code": "category", "word": "text"})
    assert found.column("code").kind == "category"
    assert found.column("code").counts == (5, 5, 5, 5)
    assert found.column("word").kind == "text"
    assert found.column("word").categories == ()


def test_an_ignored_column_is_not_read(tmp_path: Path) -> None:
    found = _test(tmp_path, ignored=("secret",))
    assert [column.name for column in found.columns] == ["y", "p", "code", "word"]


@pytest.mark.parametrize(
    ("request_more", "says"),
    [
        ({"kinds": {"word": "number"}}, 'said to hold numbers, but has "a" in data row 1'),
        ({"kinds": {"secret": "category"}}, "20 values hardly repeat"),
        ({"kinds": {"cod": "category"}}, r'no column "cod" \(kind\)'),
        ({"ignored": ("y",)}, "cannot be label and ignored"),
    ],
)
def test_what_the_values_do_not_bear_out_is_refused(
    tmp_path: Path, request_more: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        _test(tmp_path, **request_more)
