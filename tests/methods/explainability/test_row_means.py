"""Means over explained rows: Student's interval, and caution where all rows agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from assay.contracts import MeasureSpec
from assay.methods.explainability.row_means import mean_of_rows, row_measure

SPEC = MeasureSpec(
    id="explainability.made_up",
    title="Made up",
    unit="share",
    direction="none",
    judging="single",
    description="Made up.",
)


def test_the_interval_is_students() -> None:
    values = np.random.default_rng(1).normal(2.0, 1.0, 30)
    found, expected = mean_of_rows(values, 0.9), ttest_1samp(values, 0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert mean_of_rows(np.append(values, np.nan), 0.9) == found


def test_limits_stay_inside_the_range() -> None:
    found = mean_of_rows(np.array([1.0, 1.0, 1.0, 0.0]), 0.95, (0.0, 1.0))
    assert found.high == 1.0
    assert found.low >= 0.0


def test_rows_that_agree_bound_the_share_that_does_not() -> None:
    """With 20 of 20 rows at 1, up to 16.8 % of all rows may lie at 0: the exact binomial bound."""
    found = mean_of_rows(np.ones(20), 0.95, (0.0, 1.0))
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(1 - 0.168433, abs=1e-6)


def test_student_covers_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(400):
        found = mean_of_rows(rng.uniform(size=20), 0.95)
        covered += found.low <= 0.5 <= found.high
    assert 0.92 < covered / 400 < 0.98


def test_too_few_rows_say_why() -> None:
    values = np.append(np.ones(9), np.full(5, np.nan))
    found = row_measure(SPEC, values, 0.95, "executed", undefined="the others are flat")
    assert found.status == "insufficient"
    assert found.note == "9 of 14 explained rows count, 10 are needed (the others are flat)"
