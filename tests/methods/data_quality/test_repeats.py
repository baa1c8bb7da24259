"""Repeated rows, contradicting labels and leakage counted from hashes, exactly and by sample."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.datasets.row_hash import hash_numbers
from assay.methods.data_quality.repeats import hash_limit, leaked, repeats


def _hashes(values: list[int]) -> np.ndarray:
    return hash_numbers(np.array(values, dtype=float))


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 2)), min_size=1, max_size=60))
def test_counts_equal_a_plain_count_of_rows(rows: list[tuple[int, int]]) -> None:
    features, labels = (list(column) for column in zip(*rows, strict=True))
    found = repeats(_hashes(features), _hashes(labels), 1.0, 0.95)
    labels_of = {f: {label for feature, label in rows if feature == f} for f in set(features)}
    assert found.duplicates.numerator == len(rows) - len(set(rows))
    assert found.conflicts is not None
    assert found.conflicts.numerator == sum(len(labels_of[f]) > 1 for f in features)
    assert found.duplicates.low == found.duplicates.value == found.duplicates.high
    assert found.duplicates.denominator == found.conflicts.denominator == len(rows)


@given(st.lists(st.integers(0, 20), min_size=1), st.lists(st.integers(0, 20), min_size=1))
def test_leaked_rows_equal_a_plain_look_up(test: list[int], other: list[int]) -> None:
    found = leaked(_hashes(test), np.unique(_hashes(other)), 0.95)
    assert found.numerator == sum(value in set(other) for value in test)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_the_sampled_share_covers_the_true_one_as_often_as_it_says() -> None:
    """40 tables of 20,000 rows, a tenth of the hash space kept: about 95 % of intervals hold."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(40):
        features = rng.integers(0, 2**40, 16_000)
        features = np.concatenate([features, rng.choice(features[:3_000], 4_000)])
        true = 1 - len(set(features.tolist())) / len(features)
        limit, share = hash_limit(len(features), 2_000)
        hashes = hash_numbers(features.astype(float))
        kept = hashes[hashes <= np.uint64(limit)]
        assert len(kept) == pytest.approx(2_000, rel=0.2)
        found = repeats(kept, None, share, 0.95).duplicates
        held += found.low <= true <= found.high
    assert held >= 34  # 38 expected; fewer than 34 has a chance of 1 in 700


def test_equal_rows_are_kept_or_dropped_together() -> None:
    features = np.repeat(np.arange(5_000), 3)
    limit, _ = hash_limit(len(features), 1_500)
    hashes = hash_numbers(features.astype(float))
    kept = Counter(features[hashes <= np.uint64(limit)].tolist())
    assert set(kept.values()) == {3}


def test_short_tables_are_kept_whole() -> None:
    assert hash_limit(1_000, 1_000) == (2**64 - 1, 1.0)
