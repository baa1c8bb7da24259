from __future__ import annotations

import numpy as np
import pytest

from assay.methods.fairness.score_pairs import decisive_pairs, lone_pairs, pair_differences
from assay.stats.intervals import mover_difference, normal_interval
from assay.stats.ranking import area_interval, area_under_curve, delong_variance
from tests.stats.score_data import cells

VALUES = np.array([0.7, np.nan, 0.9, 0.8])
LOW = VALUES - np.array([0.1, 0, 0.2, 0.05])
HIGH = VALUES + np.array([0.15, 0, 0.05, 0.1])
ROWS = np.array([40, 3, 60, 100])


def test_pairs_are_oriented_higher_minus_lower_and_leave_unknown_values_out():
    table = pair_differences(VALUES, LOW, HIGH, ROWS)
    assert sorted(zip(table.first, table.second, strict=True)) == [(2, 0), (2, 3), (3, 0)]
    assert table.family == 3
    assert np.all(table.value >= 0)
    assert set(table.n) == {100, 140, 160}


def test_independent_groups_are_squared_and_added():
    table = pair_differences(VALUES, LOW, HIGH, ROWS)
    for a, b, low, high in zip(table.first, table.second, table.low, table.high, strict=True):
        expected = mover_difference(VALUES[a], LOW[a], HIGH[a], VALUES[b], LOW[b], HIGH[b])
        assert (low, high) == pytest.approx(expected)


def test_correlation_minus_1_adds_the_limits_up_and_plus_1_cancels_equal_ones():
    values, low, high = np.array([0.6, 0.5]), np.array([0.5, 0.4]), np.array([0.7, 0.6])
    worst = pair_differences(values, low, high, ROWS[:2], -1.0)
    assert (worst.low[0], worst.high[0]) == pytest.approx((0.5 - 0.6, 0.7 - 0.4))
    same = pair_differences(values, low, high, ROWS[:2], 1.0)
    assert (same.low[0], same.high[0]) == pytest.approx((0.1, 0.1))


def test_a_group_without_a_value_is_paired_with_the_largest_other():
    assert list(lone_pairs(VALUES, ROWS)) == [(1, 3)]
    assert list(lone_pairs(np.array([np.nan, np.nan]), np.array([2, 1]))) == [(0, 1)]
    assert list(lone_pairs(np.array([np.nan]), np.array([2]))) == []


def test_of_too_many_pairs_the_furthest_apart_are_kept():
    rng = np.random.default_rng(1)
    values = rng.random(40)
    table = pair_differences(values, values - 0.1, values + 0.1, np.full(40, 9))
    kept = decisive_pairs(table, 30)
    assert len(kept) <= 30
    assert int(np.argmax(table.value)) in kept
    assert len(decisive_pairs(table, 1_000)) == 780


def test_a_small_group_beside_a_large_one_is_covered_where_a_normal_interval_misses():
    rng = np.random.default_rng(2)
    level, misses, normal_misses = 0.99, 0, 0
    for _ in range(1_000):
        found = []
        for negatives, positives in ((20, 8), (200, 80)):
            labels = np.repeat([0, 1], [negatives, positives])
            _, fewer, more = cells(rng.normal(size=labels.size) + 2 * labels, labels)
            area = area_under_curve(fewer, more)
            found.append((area, area_interval(area, delong_variance(fewer, more), positives, level)))
        values = np.array([area for area, _ in found])
        limits = [np.array([getattr(i, side) for _, i in found]) for side in ("low", "high")]
        table = pair_differences(values, *limits, np.array([28, 280]))
        misses += not table.low[0] <= 0 <= table.high[0]
        error = float(np.hypot(*(i.standard_error for _, i in found)))
        low, high = normal_interval(float(table.value[0]), error, level)
        normal_misses += not low <= 0 <= high
    # equal AUCs: 1 % of 1,000 is 10; more than 22 has probability 0.0003
    assert misses <= 22
    assert normal_misses > 30
