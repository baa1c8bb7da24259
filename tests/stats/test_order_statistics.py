from __future__ import annotations

import math

import numpy as np
import pytest

from assay.stats.order_statistics import CALLS_FOR_P99, mean_interval, quantile_interval


@pytest.mark.parametrize(
    ("rows", "low", "high"),
    # ranks of the 95 % interval of a median, as tables of the sign test have them
    [(6, 1, 6), (8, 1, 8), (9, 2, 8), (10, 2, 9), (15, 4, 12), (20, 6, 15), (25, 8, 18), (50, 18, 33)],
)
def test_the_tabled_ranks_of_a_medians_interval(rows: int, low: int, high: int) -> None:
    found = quantile_interval(np.arange(1.0, rows + 1), 0.5)
    assert (found.low, found.high) == (low, high)


def test_five_values_bound_no_median_at_95_percent() -> None:
    found = quantile_interval(np.arange(5.0), 0.5)
    assert (found.value, found.low, found.high) == (2.0, None, None)


def test_459_calls_are_the_least_whose_maximum_bounds_the_99th_percentile() -> None:
    assert 1 - 0.99**CALLS_FOR_P99 >= 0.99 > 1 - 0.99 ** (CALLS_FOR_P99 - 1)
    # two-sided at 98 %, so 99 % on the upper side
    assert quantile_interval(np.arange(459.0), 0.99, 0.98).high == 458.0
    assert quantile_interval(np.arange(458.0), 0.99, 0.98).high is None


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_slow_spells_do_not_make_the_interval_too_narrow(share: float) -> None:
    rng = np.random.default_rng(1)
    rounds = np.repeat(np.arange(20), 30)
    # every round has its own mood, as large as the spread inside a round
    truth = math.sqrt(2) * {0.5: 0.0, 0.95: 1.6448536}[share]
    held = naive = 0
    for _ in range(300):
        values = rng.normal(size=20)[rounds] + rng.normal(size=rounds.size)
        clustered, alone = quantile_interval(values, share, rounds=rounds), quantile_interval(values, share)
        held += (clustered.low or -9) <= truth <= (9 if clustered.high is None else clustered.high)
        naive += (alone.low or -9) <= truth <= (alone.high or 9)
    assert held >= 0.9 * 300
    assert naive < 0.8 * 300


def test_independent_calls_lose_little_by_being_timed_in_rounds() -> None:
    rng = np.random.default_rng(2)
    worth = [
        quantile_interval(rng.normal(size=600), 0.5, rounds=np.repeat(np.arange(20), 30)).effective
        for _ in range(50)
    ]
    assert np.median(worth) > 350


def test_the_mean_of_equal_rounds_has_students_interval_of_the_round_means() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(10, 1, size=(8, 5))
    found = mean_interval(values.ravel(), np.repeat(np.arange(8), 5))
    means = values.mean(axis=1)
    half = 2.364624 * means.std(ddof=1) / math.sqrt(8)  # t quantile of 7 degrees of freedom, tabled
    assert found == pytest.approx((means.mean(), means.mean() - half, means.mean() + half), rel=1e-6)
    assert mean_interval(values[0], np.zeros(5, np.int64))[1:] == (None, None)
