"""A model by itself and data by itself, read in the real child."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.contracts import DataRequest, FileRequest, ModelRequest
from assay.errors import BadInput, Internal
from assay.runner.supervisor import Supervisor
from tests.command import loans, write_csv
from tests.models.made import linear_folder, number


def described(path: Path, **more: object) -> DataRequest:
    return DataRequest.model_validate({"test": FileRequest(path=str(path)), **more})


def test_a_model_is_described_without_data(tmp_path: Path) -> None:
    folder = linear_folder(tmp_path / "linear", [number("income")], [1.0])
    with Supervisor(None) as supervisor:
        found = supervisor.describe_model(ModelRequest(path=str(folder), device="cpu"))
        assert supervisor.sandbox.layers["minimal_environment"]
    assert (found.facts.format, found.signature.columns[0].name) == ("torch_folder", "income")
    assert "gradients" in found.capabilities


def test_what_is_no_model_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04\x95\x10\x00sklearn.linear_model")
    with Supervisor(None) as supervisor, pytest.raises(BadInput, match="pickle of a scikit-learn model"):
        supervisor.describe_model(ModelRequest(path=str(tmp_path / "model.pkl")))


def test_data_is_described_without_label_or_predictions(tmp_path: Path) -> None:
    columns = {name: values for name, values in loans(200).items() if name not in ("repaid", "approved")}
    path = write_csv(tmp_path / "loans.csv", columns)
    with Supervisor(described(path, sensitive=("sex", "age"), bins={"age": (25, 60)})) as supervisor:
        found = supervisor.describe_data()
    test = found.datasets[0]
    assert (test.role, test.rows, found.modality) == ("test", 200, "table")
    assert test.column("sex").categories == ("Female", "Male")
    assert sum(test.column("age").counts) == 200
    assert len(test.column("age").categories) == 3
    assert test.column("income").kind == "number"
    assert found.roles.sensitive == ("sex", "age")
    assert "score" in found.roles.features


def test_a_label_of_one_class_is_no_reason_to_refuse_data(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "one.csv", {"x": [1, 2, 3, 4], "y": ["a"] * 4})
    with Supervisor(described(path, label="y")) as supervisor:
        found = supervisor.describe_data()
    assert found.roles.label == "y"
    assert found.datasets[0].column("y").counts == (4,)


def test_every_role_is_summarised_and_a_roles_column_splits(tmp_path: Path) -> None:
    columns = {**loans(90), "part": ["train", "tuning", "test"] * 30}
    path = write_csv(tmp_path / "loans.csv", columns)
    with Supervisor(described(path, label="repaid", roles_column="part")) as supervisor:
        found = supervisor.describe_data()
    assert [(d.role, d.rows) for d in found.datasets] == [("test", 30), ("training", 30), ("tuning", 30)]


def test_a_missing_label_is_refused_with_its_place(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "gap.csv", {"x": [1, 2], "y": ["a", ""]})
    with Supervisor(described(path, label="y")) as supervisor, pytest.raises(BadInput, match="data row 2"):
        supervisor.describe_data()


def test_the_summaries_are_those_of_an_audit(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "loans.csv", loans(300))
    request = described(
        path,
        label="repaid",
        predictions="approved",
        sensitive=("sex", "age"),
        favourable="yes",
        bins={"age": (25, 60)},
    )
    with Supervisor(request) as supervisor:
        alone = supervisor.describe_data().datasets[0]
        together = supervisor.intake().test
    assert alone.sha256 == together.sha256
    for name in ("sex", "region", "income", "age"):
        assert alone.column(name) == together.column(name)


def test_a_child_without_a_request_reads_no_data() -> None:
    with Supervisor(None) as supervisor, pytest.raises(Internal):
        supervisor.describe_data()
