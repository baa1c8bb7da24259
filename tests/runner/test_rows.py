"""What the child says of single rows is believed only where it fits the profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.contracts import DataRequest, FileRequest, Profile
from assay.datasets.row_arrays import row_arrays
from assay.errors import ChildFailed
from assay.runner.rows import checked_results, checked_rows
from assay.runner.supervisor import Supervisor
from tests.command import loans
from tests.support import table_subject, write_csv

REQUEST: dict[str, Any] = {
    "label": "repaid",
    "predictions": "approved",
    "scores": "score",
    "favourable": "yes",
    "sensitive": ("sex",),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, np.ndarray], Profile]:
    subject = table_subject(tmp_path_factory.mktemp("rows"), loans(60), **REQUEST)
    return row_arrays(subject), subject.profile


def test_what_the_child_says_of_rows_becomes_their_results(
    said: tuple[dict[str, np.ndarray], Profile],
) -> None:
    found = checked_rows(*said)
    assert found.categories["sex"] == ("Female", "Male")
    assert found.asked_identity is found.identity
    assert found.score is not None


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("label", lambda a: a[:-1]),
        ("label", lambda a: a.astype(np.int64)),
        ("label", lambda a: np.full_like(a, 2)),
        ("prediction", lambda a: np.full_like(a, -2)),
        ("score", lambda a: np.full_like(a, np.nan)),
        ("attribute_0", lambda a: np.full_like(a, 7)),
        ("identity", lambda a: a.reshape(2, -1)),
        ("foreign", lambda _: np.zeros(60, np.int32)),
    ],
)
def test_rows_that_break_the_contract_are_refused(
    said: tuple[dict[str, np.ndarray], Profile], name: str, change: Any
) -> None:
    arrays, profile = said
    with pytest.raises(ChildFailed):
        checked_rows({**arrays, name: change(arrays.get(name))}, profile)


def test_a_lacking_array_is_named(said: tuple[dict[str, np.ndarray], Profile]) -> None:
    arrays, profile = said
    with pytest.raises(ChildFailed, match="score"):
        checked_rows({k: v for k, v in arrays.items() if k != "score"}, profile)


@pytest.mark.parametrize(
    ("key", "counted"),
    [
        ("ab" * 32, np.array([0, 1, 2], np.int8)),
        ("ab" * 32, np.array([0, 1, -2], np.int8)),
        ("ab" * 32, np.array([0, 1], np.int8)),
        ("ab" * 32, np.array([0, 1, 1], np.int64)),
        ("short", np.array([0, 1, 1], np.int8)),
    ],
)
def test_row_results_that_cannot_be_are_refused(key: str, counted: np.ndarray) -> None:
    with pytest.raises(ChildFailed, match=r"robustness\.noise says of single rows"):
        checked_results({key: counted}, "robustness.noise", 3)


def test_row_results_that_can_be_are_taken() -> None:
    counted = np.array([0, 1, -1], np.int8)
    assert checked_results({"ab" * 32: counted}, "robustness.noise", 3)["ab" * 32] is counted


def test_a_real_child_names_its_rows(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "loans.csv", loans(200))
    with Supervisor(DataRequest(test=FileRequest(path=str(path)), **REQUEST)) as supervisor:
        profile = supervisor.intake()
        rows = supervisor.rows(profile)
    assert rows is not None
    assert len(rows.identity) == 200
    assert len(np.unique(rows.identity)) > 190
