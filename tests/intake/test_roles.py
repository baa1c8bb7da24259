"""Columns get the roles that were asked for, or that their names plainly say; mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.contracts import DataRequest, FileRequest
from assay.errors import BadInput
from assay.intake.table import take_in
from tests.support import table_subject, write_csv

COLUMNS = {"approved": [1, 0, 1, 0], "p": [0.9, 0.2, 0.6, 0.4], "sex": list("MFMF"), "age": [20, 30, 40, 50]}


def _refused(folder: Path, columns: dict[str, list[object]] | None = None, **request: object) -> str:
    with pytest.raises(BadInput) as refusal:
        table_subject(folder, columns or COLUMNS, **request)
    return refusal.value.message


def test_all_other_columns_are_features(tmp_path: Path) -> None:
    roles = table_subject(tmp_path, COLUMNS, label="approved", scores="p", sensitive=("sex",)).profile.roles
    assert (roles.label, roles.prediction, roles.score) == ("approved", None, "p")
    assert (roles.sensitive, roles.features) == (("sex",), ("age",))


@pytest.mark.parametrize(
    ("request_fields", "role"),
    [
        ({"label": "aproved"}, "label"),
        ({"label": "approved", "predictions": "aproved"}, "predictions"),
        ({"label": "approved", "scores": "aproved"}, "scores"),
        ({"label": "approved", "sensitive": ("aproved",)}, "sensitive"),
        ({"label": "approved", "cluster": "aproved"}, "cluster"),
        ({"label": "approved", "identifier": "aproved"}, "identifier"),
        ({"label": "approved", "roles_column": "aproved"}, "roles"),
    ],
)
def test_a_missing_column_is_named_with_its_role_and_the_nearest_names(
    tmp_path: Path, request_fields: dict[str, object], role: str
) -> None:
    assert _refused(tmp_path, **request_fields) == (
        f'test.csv has no column "aproved" ({role}). Columns close to it: "approved".'
    )


def test_a_missing_column_far_from_all_names_lists_them(tmp_path: Path) -> None:
    assert _refused(tmp_path, label="zzzzz").endswith('Its columns: "approved", "p", "sex", "age".')


def test_label_and_prediction_may_be_one_column_and_no_other_two(tmp_path: Path) -> None:
    subject = table_subject(tmp_path, COLUMNS, label="approved", predictions="approved", favourable="1")
    assert subject.profile.roles.prediction == "approved"
    (batch,) = subject.dataset("test").batches(["approved"])
    assert batch.codes("approved").tolist() == [1, 0, 1, 0]
    both = _refused(tmp_path, label="approved", predictions="p", scores="p")
    assert both.startswith('test.csv column "p" cannot be predictions and scores at once')
    assert "label and sensitive" in _refused(tmp_path, label="sex", sensitive=("sex",))
    assert "sensitive and sensitive" in _refused(tmp_path, label="approved", sensitive=("sex", "sex"))


def test_conventional_names_are_taken_with_a_note(tmp_path: Path) -> None:
    columns = {"y_true": [1, 0, 1, 0], "y_pred": [1, 0, 0, 0], "Gender": list("MFMF")}
    profile = table_subject(tmp_path, columns).profile
    assert (profile.roles.label, profile.roles.prediction) == ("y_true", "y_pred")
    assert profile.roles.sensitive == ("Gender",)
    assert sum("by its name" in note for note in profile.notes) == 3


def test_what_was_asked_for_goes_before_names(tmp_path: Path) -> None:
    columns = {"label": [1, 0, 1, 0], "truth": [1, 0, 0, 1], "race": list("abab"), "sex": list("MFMF")}
    roles = table_subject(tmp_path, columns, label="truth", sensitive=("race",)).profile.roles
    assert (roles.label, roles.sensitive) == ("truth", ("race",))
    assert set(roles.features) == {"label", "sex"}


def test_two_candidates_are_no_inference(tmp_path: Path) -> None:
    columns = {"label": [1, 0], "target": [1, 0], "x": [1, 2]}
    assert "nothing to audit" in _refused(tmp_path, columns)


def test_an_inferred_attribute_that_cannot_be_grouped_is_a_feature(tmp_path: Path) -> None:
    columns = {"label": [1, 0] * 60, "religion": [f"r{i}" for i in range(120)]}
    profile = table_subject(tmp_path, columns, label="label").profile
    assert profile.roles.sensitive == ()
    assert profile.roles.features == ("religion",)
    assert any("120 different values" in note and "as a feature" in note for note in profile.notes)


@pytest.mark.parametrize("bins", [{}, {"sex": (1.0,)}])
def test_an_attribute_without_any_value_is_refused(tmp_path: Path, bins: dict[str, object]) -> None:
    columns = {"label": [1, 0, 1, 0], "sex": [None] * 4}
    message = _refused(tmp_path, columns, label="label", sensitive=("sex",), bins=bins)
    assert '"sex" (sensitive) has no value in any row' in message


def test_an_inferred_attribute_without_any_value_is_a_feature(tmp_path: Path) -> None:
    columns = {"label": [1, 0, 1, 0], "sex": [None] * 4}
    profile = table_subject(tmp_path, columns, label="label").profile
    assert profile.roles.sensitive == ()
    assert any("no value in any row" in note and "as a feature" in note for note in profile.notes)


def test_bins_belong_to_sensitive_columns(tmp_path: Path) -> None:
    assert "no column" in _refused(tmp_path, label="approved", bins={"agee": (30,)})
    assert "not among the sensitive" in _refused(tmp_path, label="approved", bins={"age": (30,)})


def test_capabilities_follow_from_the_columns(tmp_path: Path) -> None:
    def capabilities(**request: object) -> set[str]:
        return set(table_subject(tmp_path, COLUMNS, **request).profile.capabilities)

    assert capabilities(label="approved", sensitive=("age",)) == {"labels", "sensitive"}
    assert capabilities(label="approved", scores="p", sensitive=("sex",)) == {
        "labels",
        "sensitive",
        "predictions",
        "scores",
        "probabilities",
    }
    training = table_subject(tmp_path, COLUMNS, training=COLUMNS, label="approved", predictions="approved")
    assert {"training_rows", "predictions", "labels"} <= set(training.profile.capabilities)


def test_training_without_a_label_asks_for_a_label_only(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "train.csv", {"x": [1, 2], "paid": ["no", "yes"]})
    with pytest.raises(BadInput, match="training needs true outcomes; name their column with --label"):
        take_in(DataRequest(training=FileRequest(path=str(path))), tmp_path)
