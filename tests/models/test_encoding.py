"""Original values become a model's numbers by the rule of each column."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from assay.contracts import InputColumn
from assay.models.encoding import TableEncoder
from tests.models.made import number


def test_each_encoding_gives_the_numbers_that_its_rule_says() -> None:
    columns = (
        number("age", mean=40.0, scale=10.0),
        InputColumn(name="job", kind="category", encoding="one_hot", categories=("a", "b", "c")),
        InputColumn(name="hours", kind="number", encoding="identity"),
        InputColumn(name="sex", kind="category", encoding="code", categories=("f", "m")),
    )
    encoder = TableEncoder(columns)
    rows = np.array([[50.0, 2.0, 35.5, 1.0], [np.nan, np.nan, np.nan, np.nan], [40.0, 0.0, -1.0, 0.0]])
    found = encoder.encode(rows)
    assert encoder.width == 6
    assert encoder.starts == [0, 1, 4, 5]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0], [1, 0, 0, 1, 35.5, 1])
    # missing: the mean under `standard`, no category under `one_hot`, NaN where the model handles it itself
    np.testing.assert_array_equal(found[1], [0, 0, 0, 0, np.nan, np.nan])
    np.testing.assert_array_equal(found[2], [0, 1, 0, 0, -1, 0])


def test_a_category_beyond_the_models_is_no_category() -> None:
    encoder = TableEncoder(
        [InputColumn(name="job", kind="category", encoding="one_hot", categories=("a", "b"))]
    )
    np.testing.assert_array_equal(encoder.encode(np.array([[2.0], [-1.0], [1.0]])), [[0, 0], [0, 0], [0, 1]])


def test_standardising_agrees_with_scikit_learn() -> None:
    from sklearn.preprocessing import StandardScaler

    rows = np.random.default_rng(1).normal(5, 3, (200, 2))
    scaler = StandardScaler().fit(rows)
    columns = [number(f"x{i}", mean=scaler.mean_[i], scale=scaler.scale_[i]) for i in range(2)]
    np.testing.assert_allclose(TableEncoder(columns).encode(rows), scaler.transform(rows), atol=1e-6)


def test_an_encoding_that_does_not_fit_its_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="does not fit"):
        InputColumn(name="x", kind="number", encoding="one_hot")
