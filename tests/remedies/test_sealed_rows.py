"""No remedy reads a test row, however it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.errors import BadInput, Internal
from assay.execution import run_remedy
from assay.registry import REMEDIES
from tests.models.made import linear_folder, model_subject, number, two_gaussians
from tests.remedies.made import WithoutTest, training_subject

PARAMS: dict[str, dict[str, Any]] = {
    "training.from_scratch": {"reweigh": ("sex",)},
    "training.fine_tune": {"reweigh": ("sex",)},
    "distillation.student": {"sizes": {"hidden": [1]}},
    "adversarial.training": {},
}


@pytest.mark.parametrize("name", list(REMEDIES))
@pytest.mark.parametrize("with_tuning", [True, False])
def test_a_remedy_that_is_offered_test_rows_leaves_them_alone(
    tmp_path: Path, name: str, with_tuning: bool
) -> None:
    model = linear_folder(tmp_path / "m", [number("x1"), number("x2")], [1.0, 0.0])
    subject = model_subject(
        tmp_path,
        model,
        two_gaussians(50, 1),
        training=two_gaussians(80, 2),
        tuning=two_gaussians(40, 3) if with_tuning else None,
        label="label",
        sensitive=("sex",),
    )
    watched = WithoutTest(subject)
    artefact = run_remedy(REMEDIES.get(name), watched, {"epochs": 1, **PARAMS[name]}, tmp_path / "work")
    assert watched.asked == ({"training", "tuning"} if with_tuning else {"training"})
    assert set(artefact.lineage.datasets) == {"training", "tuning"}
    test = subject.profile.test.sha256
    assert test not in artefact.lineage.datasets.values()


def test_rows_that_the_roles_column_calls_test_are_passed_over_unread(tmp_path: Path) -> None:
    """Not even their categories, ranges, labels or missing values leave a trace."""
    columns = two_gaussians(90, 4)
    columns["part"] = ["train"] * 60 + ["val"] * 20 + ["test"] * 10
    columns["x1"][85] = 1e9
    columns["sex"][86] = "only in test"
    columns["label"][87] = "maybe"
    columns["sex"][88] = None
    subject = training_subject(tmp_path, columns, sensitive=("sex",), favourable="yes", roles_column="part")
    profile = subject.profile
    assert {d.role: d.rows for d in profile.datasets} == {"training": 60, "tuning": 20}
    with pytest.raises(Internal, match="no test dataset"):
        subject.dataset("test")
    assert profile.signature.classes == ("no", "yes")
    for dataset in profile.datasets:
        assert dataset.column("x1").maximum < 100
        assert dataset.column("sex").categories == ("f", "m")
    assert "train.csv: 10 test row(s) were passed over unread." in profile.notes
    assert not any("unknown" in note for note in profile.notes)


def test_training_rows_lead_where_there_is_no_test_file(tmp_path: Path) -> None:
    columns = two_gaussians(40, 5)
    columns["label"][7] = None
    with pytest.raises(BadInput, match=r'"label" \(label\) is missing in 1 of 40 rows, first in data row 8'):
        training_subject(tmp_path, columns, favourable="yes")
    subject = training_subject(tmp_path, columns, favourable="yes", allow_missing=True)
    training = subject.profile.dataset("training")
    assert training is not None
    assert (training.rows, training.set_aside) == (39, 1)


def test_a_file_with_test_rows_only_is_named(tmp_path: Path) -> None:
    columns = {**two_gaussians(20, 6), "part": ["test"] * 20}
    with pytest.raises(BadInput, match="no training rows; the roles column names test only"):
        training_subject(tmp_path, columns, favourable="yes", roles_column="part")


def test_a_model_is_tried_on_training_rows(tmp_path: Path) -> None:
    model = linear_folder(tmp_path / "m", [number("x1")], [1.0])
    subject = training_subject(tmp_path, two_gaussians(30, 7), model=model)
    assert subject.profile.model is not None
    assert [d.role for d in subject.profile.datasets] == ["training"]
    assert np.isfinite(subject.model.scores(subject.inputs("training", np.arange(30)))).all()
