"""A rate with nothing below its line is unknown, in the sample and in every replicate."""

from __future__ import annotations

import numpy as np

from assay.methods.fairness.rates import OUTCOMES, RATES, numerators_and_denominators, quotients
from assay.methods.fairness.sampling import range_interval, range_of


def test_nothing_over_nothing_is_not_zero() -> None:
    rates = quotients(np.array([0, 0, 3]), np.array([0, 4, 4]))
    np.testing.assert_array_equal(rates, [np.nan, 0.0, 0.75])


def test_a_group_absent_from_a_replicate_does_not_widen_its_range() -> None:
    rates = np.array([[[0.9], [0.8], [np.nan]], [[0.9], [0.8], [0.1]]])
    np.testing.assert_allclose(range_of(rates, np.ones((3, 1), bool)), [[0.1], [0.8]])
    np.testing.assert_allclose(range_of(rates, np.array([[True], [True], [False]])), [[0.1], [0.1]])


def test_every_rate_counts_its_line_within_the_rows_below_it() -> None:
    """Each outcome counted once: no numerator outside its denominator, and complements add up."""
    outcomes = np.eye(OUTCOMES, dtype=np.int64)
    above, below = numerators_and_denominators(outcomes, RATES)
    assert (above <= below).all()
    place = {rate.name: r for r, rate in enumerate(RATES)}
    for rate, complement in (
        ("true_positive_rate", "false_negative_rate"),
        ("false_positive_rate", "true_negative_rate"),
    ):
        both = above[:, place[rate]] + above[:, place[complement]]
        np.testing.assert_array_equal(both, below[:, place[rate]])


def test_a_range_is_reflected_below_and_never_cut_short_above() -> None:
    replicates = np.linspace(0.08, 0.20, 1_001)
    bounds = range_interval(0.10, replicates, 0.9)
    assert bounds is not None
    np.testing.assert_allclose(bounds, (0.2 - 0.194, 0.194), atol=1e-9)
    assert range_interval(0.0, np.zeros(100), 0.9) is None


def test_the_range_of_two_like_groups_is_missed_as_rarely_as_said() -> None:
    # true rates .50 and .53, 450 rows each; the reflected upper end alone misses in 23 % of samples
    rng = np.random.default_rng(5)
    missed = 0
    for _ in range(400):
        shares = rng.binomial(450, [0.50, 0.53]) / 450
        drawn = np.ptp(rng.binomial(450, shares, (1000, 2)) / 450, axis=1)
        bounds = range_interval(float(np.ptp(shares)), drawn, 0.95)
        assert bounds is not None
        missed += not bounds[0] <= 0.03 <= bounds[1]
    assert missed <= 32
