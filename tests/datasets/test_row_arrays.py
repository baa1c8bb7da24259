"""A row is the same row in whatever file, format and order it comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assay.contracts import DataRequest, FileRequest, ModelRequest
from assay.datasets.row_arrays import identity_columns, occurrences, row_arrays
from assay.intake.table import take_in
from assay.loading import load_subject
from tests.models.pictures import squares, tiny_cnn
from tests.support import table_subject

COLUMNS: dict[str, list[Any]] = {
    "age": [30, 41.5, 30, 30],
    "sex": ["f", "m", "f", "f"],
    "label": ["yes", "no", "yes", "yes"],
    "score": [0.9, 0.2, 0.4, 0.9],
}


def arrays(folder: Path, columns: dict[str, list[Any]], **request: Any) -> dict[str, np.ndarray]:
    folder.mkdir(exist_ok=True)
    asked = {"label": "label", "scores": "score", "favourable": "yes", "sensitive": ("sex",), **request}
    return row_arrays(table_subject(folder, columns, **asked))


def test_the_models_answers_are_no_part_of_a_rows_identity(tmp_path: Path) -> None:
    first = arrays(tmp_path / "a", COLUMNS)
    second = arrays(tmp_path / "b", {**COLUMNS, "score": [0.1, 0.8, 0.6, 0.3]})
    np.testing.assert_array_equal(first["identity"], second["identity"])
    changed = arrays(tmp_path / "c", {**COLUMNS, "age": [31, 41.5, 30, 30]})
    assert (first["identity"] != changed["identity"]).tolist() == [True, False, False, False]


def test_equal_rows_are_numbered(tmp_path: Path) -> None:
    found = arrays(tmp_path, COLUMNS)
    assert found["occurrence"].tolist() == [0, 0, 1, 2]
    assert occurrences(np.array([5, 7, 5, 7, 7], np.uint64)).tolist() == [0, 0, 1, 1, 2]


def test_another_order_of_columns_and_another_format_name_the_same_rows(tmp_path: Path) -> None:
    first = arrays(tmp_path / "a", COLUMNS)
    turned = dict(reversed(COLUMNS.items()))
    np.testing.assert_array_equal(arrays(tmp_path / "b", turned)["identity"], first["identity"])
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({k: [str(v) for v in values] for k, values in COLUMNS.items()}), path)
    asked = DataRequest(
        test=FileRequest(path=str(path)), label="label", scores="score", favourable="yes", sensitive=("sex",)
    )
    np.testing.assert_array_equal(row_arrays(take_in(asked, tmp_path))["identity"], first["identity"])


def test_groups_made_of_numbers_do_not_change_who_a_row_is(tmp_path: Path) -> None:
    plain = arrays(tmp_path / "a", COLUMNS)
    binned = arrays(tmp_path / "b", COLUMNS, sensitive=("sex", "age"), bins={"age": (35.0,)})
    subject = table_subject(
        tmp_path, COLUMNS, label="label", scores="score", favourable="yes", sensitive=("sex",)
    )
    assert identity_columns(subject.profile, "test") == ["age", "label", "sex"]
    assert len(np.unique(binned["identity"])) == len(np.unique(plain["identity"]))
    assert binned["attribute_1"].tolist() == [0, 1, 0, 0]


def test_a_picture_is_known_by_its_content_wherever_it_stands(tmp_path: Path) -> None:
    pictures, labels = squares(6)
    model = tiny_cnn(tmp_path / "model")

    def named(name: str, shown: np.ndarray, said: np.ndarray) -> np.ndarray:
        np.savez(tmp_path / f"{name}.npz", images=shown[..., 0], labels=said)
        asked = DataRequest(
            test=FileRequest(path=str(tmp_path / f"{name}.npz")),
            model=ModelRequest(path=str(model), device="cpu"),
        )
        (tmp_path / name).mkdir()
        return row_arrays(load_subject(asked, tmp_path / name).subject)["identity"]

    first, turned = named("a", pictures, labels), named("b", pictures[::-1], labels[::-1])
    np.testing.assert_array_equal(first, turned[::-1])
    pictures[2, 0, 0, 0] ^= 1
    changed = named("c", pictures, labels)
    assert (first != changed).tolist() == [False, False, True, False, False, False]


def test_labels_predictions_scores_and_groups_come_row_by_row(tmp_path: Path) -> None:
    found = arrays(tmp_path, COLUMNS)
    assert found["label"].tolist() == [1, 0, 1, 1]
    assert found["prediction"].tolist() == [1, 0, 0, 1]
    assert found["score"].tolist() == COLUMNS["score"]
    assert found["attribute_0"].tolist() == [0, 1, 0, 0]
    assert {name: str(array.dtype) for name, array in found.items()} == {
        "identity": "uint64",
        "occurrence": "uint32",
        "label": "int32",
        "prediction": "int32",
        "score": "float64",
        "attribute_0": "int32",
    }
