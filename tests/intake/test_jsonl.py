"""JSON Lines: the same table as the CSV file with these cells, and nothing that is no table."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from assay.contracts import DataRequest, FileRequest, Profile
from assay.errors import BadInput
from assay.intake import jsonl
from assay.intake.jsonl import JsonLinesSource
from assay.intake.table import take_in
from tests.support import write_csv

ROWS: list[dict[str, Any]] = [
    {"id": "007", "y": True, "p": False, "sex": "f", "income": 10, "n": 2**60},
    {"y": False, "id": "7", "p": False, "sex": "m", "income": 1.5, "n": 1},
    {"id": "é ✓", "y": True, "p": True, "sex": None, "n": 3, "late": "x"},
    {"id": "9", "y": False, "p": True, "sex": "", "income": 4, "n": 4, "late": "x"},
]


def _lines(path: Path, rows: list[dict[str, Any]], end: str = "\n") -> Path:
    path.write_text(end.join(json.dumps(row, ensure_ascii=len(rows) % 2 == 0) for row in rows) + end)
    return path


def _profile(path: Path, folder: Path, **request: Any) -> Profile:
    said = {"label": "y", "predictions": "p", "sensitive": ("sex",), "identifier": "id", **request}
    return take_in(DataRequest(test=FileRequest(path=str(path)), **said), folder).profile


def test_it_is_read_as_the_csv_file_of_the_same_cells(tmp_path: Path) -> None:
    names = list(dict.fromkeys(name for row in ROWS for name in row))
    cells = {
        name: [str(v).lower() if isinstance(v := row.get(name), bool) else v for row in ROWS]
        for name in names
    }
    csv, lines = write_csv(tmp_path / "rows.csv", cells), _lines(tmp_path / "rows.jsonl", ROWS)
    as_csv, as_lines = _profile(csv, tmp_path), _profile(lines, tmp_path)
    assert as_lines.test.columns == as_csv.test.columns
    assert as_lines.signature == as_csv.signature
    assert as_lines.roles == as_csv.roles


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_line_ends_blank_lines_and_gzip_change_nothing(tmp_path: Path, end: str) -> None:
    plain = _lines(tmp_path / "a.jsonl", ROWS, end)
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + plain.read_bytes().rstrip()))
    first, second = _profile(plain, tmp_path), _profile(packed, tmp_path)
    assert first.test.rows == second.test.rows == 4
    assert first.test.columns == second.test.columns


def test_a_key_that_comes_late_is_missing_before(tmp_path: Path) -> None:
    rows = [{"id": str(i), "y": i % 2, "p": i % 2, "sex": "fm"[i % 2]} for i in range(3000)]
    rows[-1]["late"] = 5
    found = _profile(_lines(tmp_path / "rows.jsonl", rows), tmp_path).test.column("late")
    assert (found.missing, found.kind, found.maximum) == (2999, "number", 5)


def test_small_batches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _lines(tmp_path / "rows.jsonl", ROWS * 1)
    whole = _profile(path, tmp_path)
    monkeypatch.setattr(jsonl, "_BLOCK", 7)
    monkeypatch.setattr(jsonl, "_CELLS", 3)
    assert _profile(path, tmp_path) == whole


def test_whole_numbers_beyond_float_are_kept_as_ids(tmp_path: Path) -> None:
    path = _lines(tmp_path / "rows.jsonl", [{"id": 2**60 + i, "y": i % 2} for i in range(4)])
    (batch,) = JsonLinesSource(path, gzip=False).batches(["id"], frozenset({"id"}))
    assert batch[0].to_pylist() == [str(2**60 + i) for i in range(4)]


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ('{"a": {"b": 1}}', r'line 2, key "a": objects and arrays.*json_normalize'),
        ('{"a": [1, 2]}', r'line 2, key "a": objects and arrays'),
        ('{"a": 1, "a": 2}', r'line 2 has the key "a" twice'),
        ('{"a": NaN}', "line 2 cannot be read as JSON: NaN is no JSON"),
        ('{"a": -Infinity}', "line 2 cannot be read as JSON: -Infinity is no JSON"),
        ('{"a": 1}, {"a": 2}', "line 2 cannot be read as JSON: Extra data"),
        ('{"a": 1', "line 2 cannot be read as JSON"),
        ("[1]", "line 2 is no JSON object"),
        ("a,b", "line 2 cannot be read as JSON"),
        ('{"a": ' + "[" * 100_000 + "}", "line 2.*not read|line 2 cannot be read"),
        ('{"a": ' + "9" * 5_000 + "}", "line 2 cannot be read as JSON: Exceeds the limit"),
        ('{"A": 1}', 'keys "a" and "A", which differ in upper and lower case alone'),
        ('{"a": "\\ud800"}', 'key "a" holds half a character'),
        ('{"a": 1\n"b": 2}, {"c": 3}', "line 2 cannot be read as JSON"),
        ('{"a": "\n"}, {"a": 1}', "line 2 cannot be read as JSON"),
    ],
)
def test_what_is_no_flat_object_is_refused_by_its_line(tmp_path: Path, second: str, says: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"a": 1}}\n{second}\n{{"a": 3}}\n')
    with pytest.raises(BadInput, match=says):
        for _ in JsonLinesSource(path, gzip=False).batches(["a"], frozenset()):
            pass


def test_a_number_beyond_float_is_infinite_as_in_csv(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(f'{{"y": {i % 2}, "p": 1, "x": {x}}}\n' for i, x in enumerate(["1e999", "2", "3"]))
    )
    profile = _profile(path, tmp_path, sensitive=(), identifier=None)
    assert profile.test.column("x").missing == 1
    assert any("1 infinite value(s) count as missing" in note for note in profile.notes)


def test_a_few_bytes_cannot_ask_for_a_table_of_empty_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "_SPARSE_FROM", 1_000)
    path = tmp_path / "rows.jsonl"
    wide = json.dumps({f"k{i}": 1 for i in range(500)})
    path.write_text(wide + "\n" + "{}\n" * 1_000)
    with pytest.raises(BadInput, match="at least one cell in a hundred"):
        JsonLinesSource(path, gzip=False)
    path.write_text("".join(json.dumps({f"k{i}": 1}) + "\n" for i in range(11_000)))
    with pytest.raises(BadInput, match="more than 10,000 different keys"):
        JsonLinesSource(path, gzip=False)
