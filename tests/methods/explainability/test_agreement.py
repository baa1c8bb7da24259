"""Agreement of attributions, against hand-counted cases and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from assay.methods.explainability.agreement import (
    rank_agreement,
    rank_correlation,
    sign_agreement,
    top_overlap,
)

A = np.array([[5.0, -4.0, 3.0, 0.1]])
B = np.array([[-5.0, 3.5, 4.0, 0.0]])
"""By size: A ranks 0, 1, 2, 3; B ranks 0, 2, 1, 3; signs differ in 0 and 1."""


@pytest.mark.parametrize(
    ("k", "overlap", "rank", "sign"),
    [(1, 1, 1, 0), (2, 1 / 2, 1 / 2, 0), (3, 1, 1 / 3, 1 / 3), (9, 1, 1 / 2, 1 / 4)],
)
def test_agreement_of_the_top_features_by_hand(k: int, overlap: float, rank: float, sign: float) -> None:
    assert top_overlap(A, B, k) == pytest.approx([overlap])
    assert rank_agreement(A, B, k) == pytest.approx([rank])
    assert sign_agreement(A, B, k) == pytest.approx([sign])


def test_rank_correlation_equals_scipys_ties_included() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.integers(-3, 4, (20, 12)).astype(float), rng.normal(size=(20, 12))
    found = rank_correlation(first, second)
    expected = [spearmanr(np.abs(a), np.abs(b)).statistic for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_attributions_without_differences_have_no_rank_correlation() -> None:
    assert np.isnan(rank_correlation(np.ones((1, 3)), A[:, :3])).all()
