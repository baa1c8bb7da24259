"""A column that gives the label away is reported; one that is merely useful or merely unique is not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from assay.methods.data_quality.telling_features import left_out_hits, number_area, purity


def test_the_area_of_a_number_is_its_auc_either_way_round() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 500).astype(np.int32)
    values = np.round(rng.normal(size=500) - labels, 1)
    expected = roc_auc_score(labels, -values)
    assert number_area(values, labels, 2) == pytest.approx(expected)
    assert number_area(-values, labels, 2) == pytest.approx(expected)


def test_missing_numbers_are_passed_over() -> None:
    labels = np.tile([0, 1], 100).astype(np.int32)
    values = labels.astype(float)
    values[:20] = np.nan
    assert number_area(values, labels, 2) == 1.0


def test_an_area_needs_thirty_rows_of_each_side() -> None:
    labels = np.array([1] * 29 + [0] * 500, dtype=np.int32)
    assert number_area(labels.astype(float), labels, 2) is None
    labels[29] = 1
    assert number_area(labels.astype(float), labels, 2) == 1.0


def test_a_number_that_tells_one_of_three_classes_is_found() -> None:
    labels = np.tile([0, 1, 2], 100).astype(np.int32)
    assert number_area((labels == 1).astype(float), labels, 3) == 1.0


def test_a_label_is_guessed_from_the_other_rows_only() -> None:
    # 5:0 guesses all five, 2:1 guesses neither (without one of the two the classes tie), 1:0 nothing
    assert left_out_hits(np.array([[5, 0], [2, 1], [1, 0]])) == 5


def test_a_column_of_distinct_values_tells_nothing() -> None:
    labels = np.tile([0, 1], 200).astype(np.int32)
    assert purity(np.arange(400, dtype=np.int32), labels, 2) is None


def test_a_category_that_names_the_class_is_pure() -> None:
    labels = np.tile([0, 1], 200).astype(np.int32)
    codes = labels * 2 + np.tile([0, 0, 1, 1], 100).astype(np.int32)
    assert purity(codes, labels, 2) == 1.0


def test_missing_may_be_the_telling_category() -> None:
    labels = np.tile([0, 1], 200).astype(np.int32)
    assert purity(np.where(labels == 1, -1, 0).astype(np.int32), labels, 2) == 1.0


def test_a_rare_class_alone_makes_no_column_pure() -> None:
    labels = np.zeros(10_000, dtype=np.int32)
    labels[:40] = 1
    assert purity(np.zeros(10_000, dtype=np.int32), labels, 2) is None
