from __future__ import annotations

import numpy as np
import pytest

from assay.stats.moments import Moments


def test_moments_of_parts_add_up_to_those_of_the_whole():
    columns = np.random.default_rng(1).normal(size=(1_000, 3)) @ np.array([[1, 2, 0], [0, 1, 3], [0, 0, 1]])
    added = Moments.of(columns[:0])
    for part in np.array_split(columns, [3, 4, 500]):
        added = added + Moments.of(part)
    assert added.n == 1_000
    assert added.mean == pytest.approx(columns.mean(axis=0), abs=1e-12)
    assert added.covariance_of_mean == pytest.approx(np.cov(columns.T) / 1_000, rel=1e-10)


def test_a_large_offset_costs_no_digits():
    values = np.random.default_rng(2).normal(size=(10_000, 1))
    added = Moments.of(np.zeros((0, 1)))
    for part in np.array_split(values + 1e9, 20):
        added = added + Moments.of(part)
    # a sum of squares minus a squared sum would be wrong in the first digit here
    assert added.comoment[0, 0] / 9_999 == pytest.approx(values.var(ddof=1), rel=1e-6)


def test_one_row_has_no_covariance():
    assert np.isnan(Moments.of(np.ones((1, 2))).covariance_of_mean).all()
