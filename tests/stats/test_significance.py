from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assay.errors import BadInput
from assay.stats.significance import fisher_exact, permutation_range_p, two_proportion_z


def test_fishers_tea_tasting_lady():
    # Fisher 1935: three of four cups named rightly, one-sided 17/70, two-sided 34/70
    assert fisher_exact(3, 4, 1, 4) == pytest.approx(34 / 70)


@settings(max_examples=80)
@given(st.lists(st.integers(0, 400), min_size=4, max_size=4))
def test_fisher_agrees_with_scipy(cells):
    a, b, c, d = cells
    if a + b == 0 or c + d == 0:
        assert np.isnan(fisher_exact(a, a + b, c, c + d))
        return
    expected = stats.fisher_exact([[a, b], [c, d]]).pvalue
    assert fisher_exact(a, a + b, c, c + d) == pytest.approx(expected, rel=1e-6, abs=1e-300)


def test_fisher_stays_right_for_large_tables():
    expected = stats.fisher_exact([[6662, 15128], [3150, 7621]]).pvalue
    assert fisher_exact(6662, 21790, 3150, 10771) == pytest.approx(expected, rel=1e-6)
    assert fisher_exact(400_000, 10**6, 100_000, 10**6) < 1e-100


def test_z_agrees_with_the_chi_square_test_without_correction():
    for table in ([[48, 12], [30, 30]], [[5, 51], [1, 28]], [[6662, 15128], [1179, 9592]]):
        (a, b), (c, d) = table
        expected = stats.chi2_contingency(table, correction=False).pvalue
        assert two_proportion_z(a, a + b, c, c + d) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_z_is_one_without_spread_and_undefined_without_rows():
    p = two_proportion_z([0, 9, 1], [5, 9, 3], [0, 4, 0], [8, 4, 0])
    assert p[:2].tolist() == [1.0, 1.0]
    assert np.isnan(p[2])


def test_tests_broadcast_over_pairs():
    x, n = np.array([3, 8, 20]), np.array([30, 30, 40])
    for test in (two_proportion_z, fisher_exact):
        together = test(x, n, 15, 30)
        assert together.shape == (3,)
        assert together[1] == pytest.approx(float(test(8, 30, 15, 30)))


def test_range_p_is_uniform_when_the_groups_are_alike():
    rng = np.random.default_rng(12)
    trials = np.array([60, 80, 100, 40, 120])
    p = [permutation_range_p(rng.binomial(trials, 0.4), trials, 199, rng) for _ in range(600)]
    # ties make it slightly conservative: never too many small ones, and spread over the whole unit interval
    for threshold in (0.05, 0.1, 0.25, 0.5):
        share = np.mean(np.array(p) <= threshold)
        error = np.sqrt(threshold * (1 - threshold) / 600)
        assert share < threshold + 4 * error
        assert share > 0.7 * threshold - 4 * error


def test_range_p_of_two_groups_is_fishers_test_of_the_range():
    """For two groups the shuffles are hypergeometric, so the p-value has a closed form."""
    x, n = np.array([14, 6]), np.array([25, 20])
    k = np.arange(0, 21)
    mass = stats.hypergeom.pmf(k, n.sum(), n[0], x.sum())
    spread = np.abs(k / n[0] - (x.sum() - k) / n[1])
    exact = mass[spread >= abs(14 / 25 - 6 / 20) - 1e-12].sum()
    p = permutation_range_p(x, n, 40_000, np.random.default_rng(3))
    assert p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 40_000))


def test_range_p_finds_a_real_gap_and_is_never_zero():
    p = permutation_range_p([90, 50, 50], [100, 100, 100], 999, np.random.default_rng(1))
    assert p == pytest.approx(1 / 1000)


def test_range_p_ignores_empty_groups_and_needs_two():
    assert permutation_range_p([5, 0], [9, 0], 99, np.random.default_rng(1)) == 1.0


def test_impossible_requests_are_refused():
    rng = np.random.default_rng(1)
    for refused in (
        lambda: two_proportion_z(6, 5, 1, 5),
        lambda: fisher_exact(-1, 5, 1, 5),
        lambda: permutation_range_p([6, 1], [5, 5], 99, rng),
        lambda: permutation_range_p([1, 1], [5, 5], 0, rng),
        lambda: permutation_range_p([1, 1], [10**9, 5], 9, rng),
    ):
        with pytest.raises(BadInput):
            refused()
