"""Weights under which the label does not depend on the group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay.errors import BadInput
from assay.remedies.reweighing import Reweighing, group_codes
from tests.remedies.made import training_subject


def test_the_weights_of_ten_applicants_worked_by_hand() -> None:
    """5 men, 4 of them taken; 5 women, 2 of them taken: w = P(a) P(y) / P(a, y)."""
    groups = np.array([0] * 5 + [1] * 5)
    labels = np.array([1, 1, 1, 1, 0, 1, 1, 0, 0, 0])
    table = Reweighing.fit(groups, labels).table
    expected = [[0.5 * 0.4 / 0.1, 0.5 * 0.6 / 0.4], [0.5 * 0.4 / 0.3, 0.5 * 0.6 / 0.2]]
    np.testing.assert_allclose(table, expected, rtol=1e-12)
    np.testing.assert_allclose(table, [[2.0, 0.75], [2 / 3, 1.5]], rtol=1e-12)


def test_weighted_rates_of_the_groups_are_equal_and_nothing_else_moves() -> None:
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 4, 500)
    labels = (rng.random(500) < np.array([0.1, 0.3, 0.5, 0.9])[groups]).astype(np.int64)
    weights = Reweighing.fit(groups, labels).weights(groups, labels).astype(np.float64)
    base = labels.mean()
    for group in range(4):
        mine = groups == group
        assert np.average(labels[mine], weights=weights[mine]) == pytest.approx(base, rel=1e-6)
        assert weights[mine].sum() == pytest.approx(mine.sum(), rel=1e-6)
    assert weights[labels == 1].sum() == pytest.approx(labels.sum(), rel=1e-6)


def test_groups_that_are_equal_already_keep_weight_one() -> None:
    groups, labels = np.repeat([0, 1], 50), np.tile([0, 1], 50)
    assert (Reweighing.fit(groups, labels).weights(groups, labels) == 1).all()


def test_a_cell_that_training_rows_lack_has_weight_one() -> None:
    table = Reweighing.fit(np.array([0, 0, 1]), np.array([0, 1, 1]))
    assert table.weights(np.array([1, 7]), np.array([0, 1])).tolist() == [1.0, 1.0]


def test_codes_of_an_intersection_mean_the_same_in_every_file(tmp_path: Path) -> None:
    """Each file numbers the values that occur in it; the same group has the same code all the same."""
    columns = {
        "x": list(range(12)),
        "sex": ["f", "m", "d"] * 4,
        "race": ["a", "b", "", "b"] * 3,
        "label": ["yes", "no"] * 6,
    }
    tuning = {"x": [1, 2], "sex": ["m", "f"], "race": ["b", "a"], "label": ["no", "yes"]}
    subject = training_subject(tmp_path, columns, tuning=tuning, sensitive=("sex", "race"), favourable="yes")
    codes = group_codes(subject, "training", np.arange(12), ["sex", "race"])
    pairs = list(zip(columns["sex"], columns["race"], strict=True))
    assert len(set(codes)) == len(set(pairs))
    by_pair = dict(zip(pairs, codes, strict=True))
    other = group_codes(subject, "tuning", np.arange(2), ["sex", "race"])
    assert other.tolist() == [by_pair["m", "b"], by_pair["f", "a"]]


def test_an_attribute_that_is_not_sensitive_is_named(tmp_path: Path) -> None:
    columns = {"x": [1, 2] * 6, "sex": ["f", "m"] * 6, "label": ["yes", "no", "no"] * 4}
    subject = training_subject(tmp_path, columns, sensitive=("sex",), favourable="yes")
    with pytest.raises(BadInput, match=r'"sexx" is to be reweighed but is no sensitive.*Close to it: "sex"'):
        group_codes(subject, "training", np.arange(3), ["sexx"])
