"""Batches are typed, come in order, and cover exactly the rows that were asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay.datasets.table import predicted, prediction_columns
from assay.errors import Internal
from tests.support import table_subject

LABEL = [1, 0, 1, 0, 1]
COLUMNS = {
    "label": LABEL,
    "predicted": [1, 1, 0, 0, 1],
    "sex": ["F", "M", None, "M", "F"],
    "income": [10.5, None, 30, 40, 50],
}


def _subject(folder: Path, **request: object):
    request = {"label": "label", "predictions": "predicted", "sensitive": ("sex",)} | request
    return table_subject(folder, COLUMNS, **request)


def test_binary_codes_are_one_for_the_favourable_class(tmp_path: Path) -> None:
    (batch,) = _subject(tmp_path, favourable="0").dataset("test").batches(["label", "predicted"])
    assert batch.codes("label").tolist() == [0, 1, 0, 1, 0]
    assert batch.codes("predicted").tolist() == [0, 0, 1, 1, 0]
    assert batch.codes("label").dtype == np.int32


def test_missing_groups_are_minus_one_and_missing_numbers_nan(tmp_path: Path) -> None:
    table = _subject(tmp_path).dataset("test")
    (batch,) = table.batches(["sex", "income"])
    assert table.profile.column("sex").categories == ("F", "M")
    assert batch.codes("sex").tolist() == [0, 1, -1, 1, 0]
    np.testing.assert_array_equal(batch.numbers("income"), [10.5, np.nan, 30, 40, 50])


@pytest.mark.parametrize(("start", "stop", "size"), [(0, None, 7), (3, 95, 10), (40, 41, 5), (90, 500, 64)])
def test_any_range_in_any_batch_size_gives_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: int, stop: int | None, size: int
) -> None:
    monkeypatch.setattr("assay.intake.write.BATCH_ROWS", 13)  # so that ranges cross stored batches
    rows = 100
    columns = {
        "label": [i % 2 for i in range(rows)],
        "i": list(range(rows)),
        "word": [f"w{i}" for i in range(rows)],
    }
    table = table_subject(tmp_path, columns, label="label").dataset("test")
    batches = list(table.batches(["word", "i"], start, stop, size))
    end = rows if stop is None else min(stop, rows)
    assert np.concatenate([batch.numbers("i") for batch in batches]).tolist() == list(range(start, end))
    assert [batch.start for batch in batches] == list(range(start, end, size))
    assert all(batch.rows == size for batch in batches[:-1])
    whole = next(table.batches(["word"])).row_hashes(["word"])
    np.testing.assert_array_equal(np.concatenate([b.row_hashes(["word"]) for b in batches]), whole[start:end])


def test_an_empty_range_gives_no_batch(tmp_path: Path) -> None:
    table = _subject(tmp_path).dataset("test")
    assert list(table.batches(["label"], 5)) == []
    assert list(table.batches(["label"], 3, 3)) == []


def test_batches_stay_valid_when_the_stream_has_moved_on(tmp_path: Path) -> None:
    batches = list(_subject(tmp_path).dataset("test").batches(["label"], batch_rows=2))
    assert np.concatenate([batch.codes("label") for batch in batches]).tolist() == LABEL


def test_wrong_columns_and_kinds_are_named(tmp_path: Path) -> None:
    subject = _subject(tmp_path)
    table = subject.dataset("test")
    with pytest.raises(Internal, match='has no column "nope"'):
        list(table.batches(["nope"]))
    (batch,) = table.batches(["sex"])
    with pytest.raises(Internal, match='"income" was not asked for'):
        batch.numbers("income")
    with pytest.raises(Internal, match='"sex" is of kind category'):
        batch.numbers("sex")
    with pytest.raises(Internal, match="no tuning dataset"):
        subject.dataset("tuning")


def test_predictions_are_the_prediction_column(tmp_path: Path) -> None:
    subject = _subject(tmp_path)
    assert prediction_columns(subject.profile) == ("predicted",)
    (batch,) = subject.dataset("test").batches(prediction_columns(subject.profile))
    assert predicted(batch, subject.profile).tolist() == [1, 1, 0, 0, 1]


def test_scores_decide_at_the_threshold_inclusive(tmp_path: Path) -> None:
    columns = {"label": [1, 0, 1], "p": [0.7, 0.69, 1.0]}
    subject = table_subject(tmp_path, columns, label="label", scores="p", threshold=0.7)
    assert prediction_columns(subject.profile) == ("p",)
    (batch,) = subject.dataset("test").batches(["p"])
    assert predicted(batch, subject.profile).tolist() == [1, 0, 1]


def test_without_predictions_nothing_is_predicted(tmp_path: Path) -> None:
    subject = table_subject(tmp_path, {"label": [1, 0]}, label="label")
    assert prediction_columns(subject.profile) == ()
    (batch,) = subject.dataset("test").batches(["label"])
    with pytest.raises(Internal, match="neither predictions nor scores"):
        predicted(batch, subject.profile)
