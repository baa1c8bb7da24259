"""UCI Adult's training rows, read where ASSAY_REAL_DATA names the folder of real data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assay.contracts import DataRequest, FileRequest
from assay.datasets.subject import Subject
from assay.intake.table import take_in

COLUMNS = (
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation"),
    *("relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week"),
    *("native-country", "income"),
)
REAL_DATA = os.environ.get("ASSAY_REAL_DATA")

needs_adult = pytest.mark.skipif(REAL_DATA is None, reason="UCI Adult: ASSAY_REAL_DATA is not set")


def adult_with_label_as_prediction(scratch: Path) -> Subject:
    """The 32,561 training rows; the label stands in for a perfect model's prediction."""
    file = FileRequest(path=str(Path(REAL_DATA or "") / "adult" / "adult.data.gz"), header=COLUMNS)
    request = DataRequest(
        test=file, label="income", predictions="income", favourable=">50K", sensitive=("sex", "race")
    )
    return take_in(request, scratch)
