"""From files to a subject: required values, splits, training data, progress, large files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay.contracts import DataRequest, FileRequest
from assay.errors import BadInput
from assay.intake.table import take_in
from tests.support import table_subject, write_csv

LABEL = [1, 0, 1, 0, 1, 0]


def _refused(folder: Path, columns: dict[str, list[object]], **request: object) -> str:
    with pytest.raises(BadInput) as refusal:
        table_subject(folder, columns, **({"label": "y"} | request))
    return refusal.value.message


@pytest.mark.parametrize(
    ("column", "role", "request_fields"),
    [("y", "label", {}), ("p", "predictions", {"predictions": "p"}), ("s", "scores", {"scores": "s"})],
)
def test_missing_required_values_are_counted_and_located(
    tmp_path: Path, column: str, role: str, request_fields: dict[str, str]
) -> None:
    columns = {"y": LABEL, "p": LABEL, "s": LABEL}
    columns[column] = [1, 0, "NaN", 0, None, 1]
    assert _refused(tmp_path, columns, **request_fields) == (
        f'test.csv column "{column}" ({role}) is missing in 2 of 6 rows, first in data row 3. '
        "Fill them in, or set these rows aside with --allow-missing."
    )


def test_incomplete_rows_are_set_aside_and_counted(tmp_path: Path) -> None:
    columns = {
        "y": [1, 0, None, 0, 1, 0],
        "p": [1, 0, 1, "?", 1, 1],
        "x": [1, 2, 3, 4, 5, None],
    }
    subject = table_subject(tmp_path, columns, label="y", predictions="p", allow_missing=True)
    table = subject.dataset("test")
    assert (table.rows, table.profile.set_aside) == (4, 2)
    assert table.profile.column("y").missing == 0
    assert table.profile.column("x").missing == 1
    (batch,) = table.batches(["y", "p", "x"])
    assert batch.codes("y").tolist() == [1, 0, 1, 0]
    assert batch.codes("p").tolist() == [1, 0, 1, 1]
    assert batch.numbers("x")[:3].tolist() == [1, 2, 5]
    assert "test.csv: 2 row(s) without label or prediction were set aside." in subject.profile.notes


def test_scores_that_spell_nan_are_missing_whatever_the_tokens(tmp_path: Path) -> None:
    columns = {"y": LABEL, "s": [0.1, 0.2, "nan", 0.4, 0.5, 0.6]}
    assert "missing in 1 of 6 rows, first in data row 3" in _refused(
        tmp_path, columns, scores="s", missing=("?",)
    )
    subject = table_subject(tmp_path, columns, label="y", scores="s", missing=("?",), allow_missing=True)
    (batch,) = subject.dataset("test").batches(["s"])
    assert np.isfinite(batch.numbers("s")).all()


def test_a_regression_target_that_spells_nan_is_missing_too(tmp_path: Path) -> None:
    columns = {"y": [*(i / 2 for i in range(30)), "nan"]}
    assert "missing in 1 of 31 rows" in _refused(tmp_path, columns, missing=("?",))


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    assert "every row lacks" in _refused(tmp_path, {"y": [None, None], "x": [1, 2]}, allow_missing=True)


def test_training_and_tuning_share_classes_and_groups_with_the_test_rows(tmp_path: Path) -> None:
    columns = {"y": ["no", "yes"] * 3, "sex": list("MFMFMF"), "x": [1, 2, 3, 4, 5, 6]}
    training = {"extra": [9] * 4, "x": [7, 8, 9, 1], "y": ["yes", "yes", "no", "no"], "sex": list("FFFM")}
    subject = table_subject(
        tmp_path, columns, training=training, tuning={"x": [1, 2]}, label="y", sensitive=("sex",)
    )
    assert [dataset.role for dataset in subject.profile.datasets] == ["test", "training", "tuning"]
    table = subject.dataset("training")
    assert {column.name for column in table.profile.columns} == {"x", "y", "sex"}
    (batch,) = table.batches(["y", "sex"])
    assert batch.codes("y").tolist() == [1, 1, 0, 0]
    assert batch.codes("sex").tolist() == [0, 0, 0, 1]
    assert [column.name for column in subject.dataset("tuning").profile.columns] == ["x"]
    assert 'tuning.csv (tuning) lacks 1 column(s) of the test data: "sex".' in subject.profile.notes
    assert "training_rows" in subject.profile.capabilities


def test_a_class_known_from_training_only_is_a_class(tmp_path: Path) -> None:
    columns = {"y": ["a", "b", "c"], "x": [1, 2, 3]}
    training = {"y": ["a", "d", "c"], "x": [1, 2, 3]}
    subject = table_subject(tmp_path, columns, training=training, label="y")
    assert subject.profile.signature.classes == ("a", "b", "c", "d")
    (batch,) = subject.dataset("training").batches(["y"])
    assert batch.codes("y").tolist() == [0, 3, 2]


def test_an_unusable_training_label_is_left_out_with_a_note(tmp_path: Path) -> None:
    columns = {"y": LABEL, "x": [1, 2, 3, 4, 5, 6]}
    training = {"y": [1, None, 0], "x": [1, 2, 3]}
    subject = table_subject(tmp_path, columns, training=training, label="y")
    assert [column.name for column in subject.dataset("training").profile.columns] == ["x"]
    assert any(
        "was left out of the training data: 1 value(s) are missing" in n for n in subject.profile.notes
    )


def test_training_data_of_other_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"training\.csv \(training\) shares no column with the test data"):
        table_subject(tmp_path, {"y": LABEL}, training={"z": [1, 2]}, label="y")


def test_a_roles_column_splits_one_file(tmp_path: Path) -> None:
    roles = ["train", "TEST", "Validation", "test", "training", "val", "test", "tuning"]
    columns = {"y": [1, 0, 1, 1, 0, 0, 0, 1], "x": list(range(8)), "part": roles}
    subject = table_subject(tmp_path, columns, label="y", roles_column="part")
    rows = {
        dataset.role: next(subject.dataset(dataset.role).batches(["x"])).numbers("x").tolist()
        for dataset in subject.profile.datasets
    }
    assert rows == {"test": [1, 3, 6], "training": [0, 4], "tuning": [2, 5, 7]}
    assert subject.profile.roles.features == ("x",)
    assert subject.profile.test.column("x").minimum == 1


def test_rows_set_aside_are_told_by_their_place_in_the_file(tmp_path: Path) -> None:
    columns = {"y": [1, 0, None, 0, 1], "part": ["train", "train", "train", "test", "test"], "x": [1] * 5}
    subject = table_subject(tmp_path, columns, label="y", roles_column="part")
    assert (
        subject.dataset("training").rows == 3
    )  # a training row without label stays; its label column does not
    gap = {**columns, "y": [1, 0, 1, 0, None]}
    assert "missing in 1 of 2 rows, first in data row 5" in _refused(tmp_path, gap, roles_column="part")


def test_unknown_and_missing_parts_are_located(tmp_path: Path) -> None:
    columns = {"y": [1, 0, 1], "part": ["test", "test", "later"]}
    assert _refused(tmp_path, columns, roles_column="part") == (
        'test.csv column "part" (roles) has "later" in data row 3; each row needs train, tuning '
        "(or validation) or test."
    )
    assert "no value in data row 2" in _refused(
        tmp_path, {"y": [1, 0, 1], "part": ["test", None, "test"]}, roles_column="part"
    )
    assert "has no test rows" in _refused(tmp_path, {"y": [1, 0], "part": ["train"] * 2}, roles_column="part")


def test_one_role_comes_from_one_place(tmp_path: Path) -> None:
    columns = {"y": [1, 0, 1], "part": ["test", "test", "train"], "x": [1, 2, 3]}
    with pytest.raises(BadInput, match=r'Rows for training come from training\.csv and from column "part"'):
        table_subject(tmp_path, columns, training={"y": [1, 0], "x": [1, 2]}, label="y", roles_column="part")


def test_progress_rises_to_one(tmp_path: Path) -> None:
    rows = 300_000
    path = write_csv(
        tmp_path / "test.csv", {"y": [0, 1] * (rows // 2), "x": range(rows), "z": ["abcdefgh"] * rows}
    )
    seen: list[float] = []
    request = DataRequest(test=FileRequest(path=str(path)), label="y")
    subject = take_in(request, tmp_path, seen.append)
    assert seen == sorted(seen)
    assert (min(seen) >= 0, seen[-1], len(seen) > 1) == (True, 1.0, True)
    assert subject.profile.test.rows == rows


def test_the_same_file_gives_the_same_profile(tmp_path: Path) -> None:
    columns = {"y": LABEL, "x": [0.1, 0.2, 0.3, None, 1e-9, 7], "g": list("aabbcc")}
    first, second = (table_subject(tmp_path, columns, label="y", sensitive=("g",)).profile for _ in range(2))
    assert first.model_dump_json() == second.model_dump_json()
