"""Every registered method and remedy is accepted by numbers from outside, and its tests can fail."""

from __future__ import annotations

import ast
import os
import shutil
from pathlib import Path

import pytest

from assay.registry import METHODS, REMEDIES
from tests.acceptance import mutant
from tests.acceptance.page import PAGE, page
from tests.acceptance.remedy_rows import REMEDY_ROWS
from tests.acceptance.rows import ROWS, Row

ROOT = Path(__file__).parents[2]


def _ids(row: Row) -> str:
    return row.method


def test_every_registered_method_has_exactly_one_row() -> None:
    assert sorted(row.method for row in ROWS) == sorted(METHODS)


def test_every_registered_remedy_has_exactly_one_row() -> None:
    assert sorted(row.method for row in REMEDY_ROWS) == sorted(REMEDIES)


def test_the_printed_page_is_current() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.acceptance.page"


@pytest.mark.parametrize("row", [*ROWS, *REMEDY_ROWS], ids=_ids)
def test_every_test_named_in_a_row_exists(row: Row) -> None:
    for node in (row.golden, row.planted, row.null, row.mutant.caught_by):
        file, _, name = node.partition("::")
        tree = ast.parse((ROOT / "tests" / file).read_text())
        functions = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        assert name.partition("[")[0] in functions, node


def _linked(source: str, target: str) -> None:
    """The same file under another name; a copy where it lies on another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.mark.parametrize("row", [*ROWS, *REMEDY_ROWS], ids=_ids)
def test_the_mutant_of_each_row_is_caught(row: Row, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "assay", tmp_path / "assay", copy_function=_linked)
    target = tmp_path / row.mutant.file
    source = target.read_text()
    assert source.count(row.mutant.old) == 1, "the mutant's text must stand in the file exactly once"
    target.unlink()  # or this tree's own file would change with it
    target.write_text(source.replace(row.mutant.old, row.mutant.new))
    shutil.copytree(ROOT / "tests", tmp_path / "tests", copy_function=_linked)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    code, printed = mutant.run(tmp_path, f"tests/{row.mutant.caught_by}", seconds=120)
    survived = f"the mutant survived or the test could not run:\n{printed[-2000:]}"
    assert code == 1, survived
    assert "short test summary info" in printed, survived  # an error of the process itself ends with 1 too
