"""A model and its data become a subject that every method can work on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from assay.contracts import DataRequest, FileRequest, InputColumn, ModelRequest
from assay.errors import BadInput
from assay.execution import run_method
from assay.loading import load_subject
from assay.registry import METHODS
from tests.models.made import linear_folder, model_subject, number, two_gaussians
from tests.support import write_csv


def test_a_linear_models_answers_become_the_predictions_of_the_test_rows(tmp_path: Path) -> None:
    model = linear_folder(tmp_path / "m", [number("x1", mean=1.0, scale=2.0), number("x2")], [3.0, 0.0])
    columns = two_gaussians(300, 1)
    subject = model_subject(tmp_path, model, columns, label="label", sensitive=("sex",))
    score = subject.profile.roles.score
    assert score is not None
    found = np.concatenate([b.numbers(score) for b in subject.dataset("test").batches([score])])
    x1 = np.array(columns["x1"])
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-3 * (x1 - 1) / 2)), rtol=1e-5)
    assert subject.profile.grade == "executed"
    assert {"query", "gradients", "scores", "probabilities"} <= set(subject.profile.capabilities)
    result = run_method(METHODS.get("performance.classification"), subject)
    accuracy = next(m for m in result.measures if m.id == "performance.accuracy")
    actual = np.array([label == "yes" for label in columns["label"]])
    assert accuracy.value == pytest.approx(((x1 >= 1) == actual).mean())
    assert accuracy.grade == "executed"


def test_rows_come_in_the_order_asked_for(tmp_path: Path) -> None:
    model = linear_folder(tmp_path / "m", [number("x2"), number("x1")], [1.0, 1.0])
    columns = two_gaussians(50, 2)
    subject = model_subject(tmp_path, model, columns, label="label")
    rows = np.array([40, 3, 3, 17])
    found = subject.inputs("test", rows)
    expected = np.stack([np.array(columns["x2"])[rows], np.array(columns["x1"])[rows]], axis=1)
    np.testing.assert_array_equal(found, expected)
    assert subject.labels("test", rows).tolist() == [int(columns["label"][r] == "yes") for r in rows]


def test_a_binned_sensitive_column_stays_a_number_for_the_model(tmp_path: Path) -> None:
    model = linear_folder(tmp_path / "m", [number("x1")], [1.0])
    columns = two_gaussians(50, 3)
    subject = model_subject(
        tmp_path, model, columns, label="label", sensitive=("x1",), bins={"x1": (0.0, 1.0)}
    )
    np.testing.assert_array_equal(subject.inputs("test", np.arange(50))[:, 0], columns["x1"])
    assert subject.profile.test.column("x1").kind == "category"


def test_a_column_that_the_model_reads_and_the_file_lacks_is_named(tmp_path: Path) -> None:
    model = linear_folder(tmp_path / "m", [number("x_1")], [1.0])
    with pytest.raises(BadInput, match=r'no column "x_1".*Columns close to it: "x1"'):
        model_subject(tmp_path, model, two_gaussians(20, 4), label="label")


def test_a_label_that_is_none_of_the_models_classes_is_named(tmp_path: Path) -> None:
    model = linear_folder(tmp_path / "m", [number("x1")], [1.0], classes=("bad", "yes"))
    with pytest.raises(BadInput, match='"no", which is none of the model\'s classes: "bad", "yes"'):
        model_subject(tmp_path, model, two_gaussians(20, 5), label="label")


def test_values_that_the_model_was_not_trained_on_are_named_and_counted(tmp_path: Path) -> None:
    region = InputColumn(name="region", kind="category", encoding="one_hot", categories=("north", "south"))
    model = linear_folder(tmp_path / "m", [region], [1.0, -1.0])
    columns = {"region": ["north", "south", "", "atlantis", "atlantis"] * 8, "label": ["no", "yes"] * 20}
    subject = model_subject(tmp_path, model, columns, label="label")
    said = [note for note in subject.profile.notes if "does not know" in note]
    assert said == [
        'test.csv column "region": 16 rows have a value that the model does not know ("atlantis"); '
        "it reads a missing value there."
    ]
    assert np.isnan(subject.inputs("test", np.array([2, 3]))).all()


@pytest.mark.parametrize(
    ("words", "cells"),
    [
        (("01", "02", "03"), ("01", "02", "03")),
        (("1.0", "2.0", "3.0"), ("1.0", "2.0", "3.0")),
        (("1", "2", "3"), ("1.0", "02", "3")),
        (("True", "False"), ("True", "False")),
        (("True", "False", "no"), ("true", "False", "no")),
        (("9007199254740993", "9007199254740992"), ("9007199254740993", "9007199254740992")),
    ],
)
def test_words_that_look_like_numbers_are_found_however_they_are_stored(
    tmp_path: Path, words: tuple[str, ...], cells: tuple[str, ...]
) -> None:
    column = InputColumn(name="code", kind="category", encoding="code", categories=words)
    model = linear_folder(tmp_path / "m", [column], [1.0])
    columns = {"code": [*cells] * 6, "label": ["no", "yes"] * (3 * len(cells))}
    kinds: dict[str, Literal["category"]] = {"code": "category"} if words[0].startswith("9") else {}
    subject = model_subject(tmp_path, model, columns, label="label", kinds=kinds)
    found = subject.inputs("test", np.arange(len(cells)))[:, 0]
    assert found.tolist() == list(range(len(cells)))
    assert not [note for note in subject.profile.notes if "does not know" in note]


def test_a_number_that_two_words_spell_is_not_guessed_and_said(tmp_path: Path) -> None:
    column = InputColumn(name="code", kind="category", encoding="one_hot", categories=("1", "01", "2"))
    model = linear_folder(tmp_path / "m", [column], [1.0, 0.0, -1.0])
    columns = {"code": ["1", "1", "2", "2"] * 6, "label": ["no", "yes"] * 12}
    subject = model_subject(tmp_path, model, columns, label="label")
    assert np.isnan(subject.inputs("test", np.arange(4))[:, 0]).tolist() == [True, True, False, False]
    assert [note for note in subject.profile.notes if "does not know" in note] == [
        'test.csv column "code": 12 rows have a value that the model does not know ("1"); '
        "it reads a missing value there."
    ]
    (tmp_path / "kept").mkdir()
    kept = model_subject(tmp_path / "kept", model, columns, label="label", kinds={"code": "category"})
    assert kept.inputs("test", np.arange(4))[:, 0].tolist() == [0, 0, 2, 2]


def test_a_column_of_which_the_model_knows_no_value_is_refused(tmp_path: Path) -> None:
    column = InputColumn(name="code", kind="category", encoding="one_hot", categories=("north", "south"))
    model = linear_folder(tmp_path / "m", [column], [1.0, -1.0])
    told = r'column "code": the model knows none of its values, such as "{}"; its words there are "north"'
    for place, cells in enumerate((["1", "2"], ["a", "b"])):
        folder = tmp_path / f"{place}"
        folder.mkdir()
        columns = {"code": cells * 10, "label": ["no", "yes"] * 10}
        with pytest.raises(BadInput, match=told.format(cells[0])):
            model_subject(folder, model, columns, label="label")


def test_a_model_that_reads_groups_finds_them_beside_the_numbers_that_remedies_read(tmp_path: Path) -> None:
    column = InputColumn(name="age", kind="category", encoding="one_hot", categories=("< 50", ">= 50"))
    model = linear_folder(tmp_path / "m", [column], [1.0, -1.0])
    path = write_csv(
        tmp_path / "train.csv", {"age": ["19", "70", "", "50"] * 10, "label": ["no", "yes"] * 20}
    )
    request = DataRequest(
        training=FileRequest(path=str(path)),
        model=ModelRequest(path=str(model), device="cpu"),
        label="label",
        sensitive=("age",),
        bins={"age": (50.0,)},
    )
    subject = load_subject(request, tmp_path).subject
    found = subject.inputs("training", np.arange(4))[:, 0]
    np.testing.assert_array_equal(found, [0, 1, np.nan, 1])


@pytest.mark.parametrize(
    ("classes", "cells"),
    [(("False", "True"), ("false", "True")), (("0.0", "1.0"), ("0", "1.0")), (("no", "yes"), ("NO", "yes"))],
)
def test_labels_agree_with_a_models_classes_by_value(
    tmp_path: Path, classes: tuple[str, str], cells: tuple[str, str]
) -> None:
    model = linear_folder(tmp_path / "m", [number("x1")], [1.0], classes=classes)
    columns = {**two_gaussians(40, 6), "label": [*cells] * 20}
    subject = model_subject(tmp_path, model, columns, label="label", favourable=cells[1])
    assert subject.labels("test", np.arange(4)).tolist() == [0, 1, 0, 1]
    assert subject.profile.signature.classes == classes
