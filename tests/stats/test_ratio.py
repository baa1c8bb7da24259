"""Ratios of sums: worked by hand, and covering as often as the level says."""

from __future__ import annotations

import numpy as np
import pytest

from assay.stats.ratio import ratio_of_sums


def test_the_ratios_interval_covers_as_often_as_its_level_says() -> None:
    """Sums of texts of unequal length, 500 data sets of 40 texts: 25 misses are due; 10 to 44 pass."""
    rng, missed = np.random.default_rng(0), 0
    for _ in range(500):
        lengths = rng.integers(5, 60, 40).astype(float)
        sums = lengths * 1.2 + rng.normal(size=40) * np.sqrt(lengths)
        low, high = ratio_of_sums(sums, lengths, 0.95)[1:]
        assert low is not None
        assert high is not None
        missed += not low <= 1.2 <= high
    assert 10 <= missed <= 44


def test_a_ratio_worked_by_hand() -> None:
    """(1 + 5) / (2 + 2) = 1.5; d = (-2, 2), variance 2 x 8 / 16 = 1; t of 1 degree at 95 % is 12.7062."""
    value, low, high = ratio_of_sums(np.array([1.0, 5.0]), np.array([2.0, 2.0]), 0.95)
    assert value == 1.5
    assert (low, high) == (pytest.approx(1.5 - 12.7062, abs=1e-4), pytest.approx(1.5 + 12.7062, abs=1e-4))
    assert ratio_of_sums(np.array([3.0, 3.0]), np.array([2.0, 2.0]), 0.95)[1:] == (None, None)
