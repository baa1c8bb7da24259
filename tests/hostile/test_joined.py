"""Files that are joined by id, before a real child: what is not one table of one row an id is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.contracts import DataRequest, FileRequest
from assay.errors import BadInput
from assay.runner.supervisor import Supervisor

_DATA = b"id,y\n" + b"".join(b"P%d,%d\n" % (i, i % 2) for i in range(20))
_PEOPLE = b"id,sex\n" + b"".join(b"P%d,f\n" % i for i in range(20))

CASES = {
    "an id twice": (_PEOPLE + b"P3,m\n", "repeated value.*P3"),
    "an id twice, with blanks around it": (_PEOPLE + b" P3 ,m\n", "repeated value.*P3"),
    "an id twice among a million": (
        _PEOPLE + b"".join(b"Q%d,f\n" % (i % 199_999) for i in range(200_000)),
        "Q0",
    ),
    "ids of another case only": (_PEOPLE.lower(), "None of the 20"),
    "no id in one row": (_PEOPLE + b",m\n", "is missing in data row 21"),
    "a column that the data have too": (
        _PEOPLE.replace(b"sex", b"y", 1),
        'Both data.csv and people have a column "y"',
    ),
    "the id's name twice": (_PEOPLE.replace(b"sex", b"id", 1), 'two columns named "id"'),
    "a pickle": (b"\x80\x04cos\nsystem\n.", "a Python pickle"),
    "thousands of columns": (
        b"id," + b",".join(b"c%d" % i for i in range(3_000)) + b"\nP1" + b",f" * 3_000 + b"\n",
        "3,000 columns besides its id",
    ),
    "a different word in every row": (
        b"id,sex\n" + b"".join(b"P%d,w%d\n" % (i, i) for i in range(120_000)),
        "more than 100,000 different values",
    ),
    "an id of a megabyte": (_PEOPLE + b"x" * 3_000_000 + b",f\n", "longer than 2 MB"),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused(name: str, tmp_path: Path) -> None:
    content, says = CASES[name]
    (tmp_path / "data.csv").write_bytes(_DATA)
    (tmp_path / "people").write_bytes(content)
    request = DataRequest(
        test=FileRequest(path=str(tmp_path / "data.csv")),
        attributes=FileRequest(path=str(tmp_path / "people")),
        identifier="id",
        label="y",
    )
    with Supervisor(request, time_limit=60, memory_limit=2**30) as child, pytest.raises(BadInput, match=says):
        child.describe_data()
    assert {path.name for path in tmp_path.iterdir()} == {"data.csv", "people"}
