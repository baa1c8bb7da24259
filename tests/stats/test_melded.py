"""Closed forms, the identity with Fisher's test (Fay, Proschan & Brittain 2015), enumerated coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from assay.stats.intervals import clopper_pearson_interval, koopman_ratio, newcombe_difference
from assay.stats.melded import melded_difference, melded_ratio


def test_one_row_a_group_has_closed_forms():
    """1 of 1 against 0 of 1: A, B are uniform, P(A - B <= d) = (1 + d)^2 / 2 and P(A/B <= r) = r / 2."""
    for level in (0.8, 0.95, 0.999):
        tail = (1 - level) / 2
        assert melded_difference(1, 1, 0, 1, level).low == pytest.approx(-1 + np.sqrt(2 * tail), abs=1e-6)
        assert melded_ratio(1, 1, 0, 1, level).low == pytest.approx(2 * tail, rel=1e-5)


def test_a_group_without_spread_leaves_the_other_groups_exact_limit():
    alone = clopper_pearson_interval(0, 20)
    assert melded_difference(0, 20, 0, 35).high == pytest.approx(alone.high, abs=1e-12)
    full = clopper_pearson_interval(4, 9)
    assert melded_ratio(4, 9, 30, 30).low == pytest.approx(full.low, rel=1e-12)


def test_against_a_huge_group_it_is_the_small_groups_own_exact_interval():
    alone = clopper_pearson_interval(3, 12)
    low, high = melded_difference(3, 12, 4 * 10**9, 10**10)
    assert (low, high) == pytest.approx((alone.low - 0.4, alone.high - 0.4), abs=2e-5)
    low, high = melded_ratio(3, 12, 4 * 10**9, 10**10)
    assert (low, high) == pytest.approx((alone.low / 0.4, alone.high / 0.4), rel=1e-4)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 80), st.integers(1, 80), st.data())
def test_it_excludes_equal_rates_exactly_when_fishers_one_sided_test_does(n1, n2, data):
    x1, x2 = data.draw(st.integers(1, n1)), data.draw(st.integers(0, n2))
    p = stats.fisher_exact([[x1, n1 - x1], [x2, n2 - x2]], alternative="greater").pvalue
    assume(1e-6 < p < 0.45)
    assert melded_difference(x1, n1, x2, n2, 1 - 2 * p).low == pytest.approx(0, abs=2e-5)
    assert melded_ratio(x1, n1, x2, n2, 1 - 2 * p).low == pytest.approx(1, abs=2e-4)


def test_limits_are_the_quantiles_of_simulated_confidence_distributions():
    rng = np.random.default_rng(4)
    x1, n1, x2, n2 = 7, 40, 12, 31
    a = rng.beta(x1, n1 - x1 + 1, 400_000)
    b = rng.beta(x2 + 1, n2 - x2, 400_000)
    assert melded_difference(x1, n1, x2, n2, 0.9).low == pytest.approx(np.quantile(a - b, 0.05), abs=2e-3)
    assert melded_ratio(x1, n1, x2, n2, 0.9).low == pytest.approx(np.quantile(a / b, 0.05), rel=2e-2)


SIZES = [(1, 1), (2, 1), (3, 3), (10, 1), (60, 1), (60, 10), (25, 25), (200, 3)]
SHARES = np.concatenate([[0.001, 0.01], np.linspace(0.04, 0.96, 24), [0.99, 0.999]])


def largest_miss(interval, n1: int, n2: int, level: float) -> float:
    """Largest probability over a grid of true rates that the interval misses the truth, by enumeration."""
    x1, x2 = (x.ravel() for x in np.meshgrid(np.arange(n1 + 1.0), np.arange(n2 + 1.0), indexing="ij"))
    low, high = interval(x1, np.full_like(x1, n1), x2, np.full_like(x2, n2), level)
    q1, q2 = (q.ravel() for q in np.meshgrid(SHARES, SHARES, indexing="ij"))
    truth = q1 / q2 if interval in (melded_ratio, koopman_ratio) else q1 - q2
    chance = stats.binom.pmf(x1[:, None], n1, q1) * stats.binom.pmf(x2[:, None], n2, q2)
    missed = (low[:, None] > truth + 1e-7) | (high[:, None] < truth - 1e-7)
    return float((chance * missed).sum(axis=0).max())


@pytest.mark.parametrize("family", [1, 66])
@pytest.mark.parametrize("interval", [melded_difference, melded_ratio])
def test_enumerated_coverage_never_falls_below_the_level(interval, family):
    for n1, n2 in SIZES:
        assert largest_miss(interval, n1, n2, 1 - 0.05 / family) <= 0.05 / family, (n1, n2)


def test_score_intervals_fail_the_same_enumeration():
    """The reason for melding: at the level of 66 pairs Newcombe and Koopman miss tens of times too often."""
    for interval in (newcombe_difference, koopman_ratio):
        worst = max(largest_miss(interval, n1, n2, 1 - 0.05 / 66) for n1, n2 in SIZES)
        assert worst > 20 * 0.05 / 66
