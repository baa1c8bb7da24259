"""UCI Adult as it comes: headerless, blanks after commas, "?" for missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assay.contracts import DataRequest, FileRequest
from assay.datasets.subject import Subject
from assay.demo import ADULT_COLUMNS
from assay.intake.table import take_in

_FOLDER = os.environ.get("ASSAY_REAL_DATA", "")
pytestmark = pytest.mark.skipif(
    not _FOLDER, reason="UCI Adult: ASSAY_REAL_DATA does not name a folder of real data"
)


@pytest.fixture(scope="module")
def adult(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    request = DataRequest(
        test=FileRequest(path=str(Path(_FOLDER) / "adult" / "adult.data.gz"), header=ADULT_COLUMNS),
        label="income",
        predictions="income",
        sensitive=("sex", "race", "native-country", "age"),
        bins={"age": (25, 60)},
    )
    return take_in(request, tmp_path_factory.mktemp("adult"))


def test_rows_groups_and_labels_are_the_published_ones(adult: Subject) -> None:
    """Counts: UCI adult.names (train 32,561 rows, 24.08 % above 50K) and its documentation by sex."""
    test = adult.profile.test
    assert (test.rows, len(test.columns)) == (32_561, 15)
    sex, income = test.column("sex"), test.column("income")
    assert dict(zip(sex.categories, sex.counts, strict=True)) == {"Female": 10_771, "Male": 21_790}
    assert dict(zip(income.categories, income.counts, strict=True)) == {"<=50K": 24_720, ">50K": 7_841}
    assert adult.profile.signature.classes == ("<=50K", ">50K")


def test_question_marks_are_missing(adult: Subject) -> None:
    missing = {column.name: column.missing for column in adult.profile.test.columns if column.missing}
    assert missing == {"workclass": 1_836, "occupation": 1_843, "native-country": 583}
    assert any(
        '"native-country" (sensitive): 583 "?" read as unknown' in note for note in adult.profile.notes
    )


def test_selection_by_sex_is_the_published_fraction(adult: Subject) -> None:
    """6662/21790 and 1179/10771 with the label as prediction."""
    women, men = [0, 0], [0, 0]
    for batch in adult.dataset("test").batches(["sex", "income"], batch_rows=10_000):
        sex, income = batch.codes("sex"), batch.codes("income")
        for tally, code in ((women, 0), (men, 1)):
            tally[0] += int(income[sex == code].sum())
            tally[1] += int((sex == code).sum())
    assert (women, men) == ([1_179, 10_771], [6_662, 21_790])


def test_the_parquet_edition_has_the_same_rows(tmp_path: Path, adult: Subject) -> None:
    """OpenML's 48,842 rows hold the 32,561 training rows; content hashes find them across formats."""
    import numpy as np

    request = DataRequest(
        test=FileRequest(path=str(Path(_FOLDER) / "adult" / "adults_openml_48842.parquet")),
        label="class",
        sensitive=("sex",),
    )
    both = take_in(request, tmp_path)
    assert both.profile.test.rows == 48_842
    names = [name for name in ADULT_COLUMNS if name not in ("income", "age")]
    training = np.concatenate([b.row_hashes(names) for b in adult.dataset("test").batches(names)])
    everything = np.concatenate([b.row_hashes(names) for b in both.dataset("test").batches(names)])
    assert np.isin(training, everything).all()
    assert not np.isin(everything, training).all()
