"""Golden values are printed in Newcombe 1998 (both papers) and Koopman 1984."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assay.errors import BadInput
from assay.stats.intervals import (
    clopper_pearson_interval,
    koopman_ratio,
    mover_difference,
    newcombe_difference,
    normal_interval,
    wilson_interval,
)
from assay.stats.melded import melded_difference, melded_ratio

LEVELS = st.floats(0.5, 0.9999)
TWO_GROUPS = (newcombe_difference, melded_difference, koopman_ratio, melded_ratio)


@st.composite
def counts(draw: st.DrawFn, least: int = 1, most: int = 3000) -> tuple[int, int]:
    n = draw(st.integers(least, most))
    return draw(st.integers(0, n)), n


@pytest.mark.parametrize(
    ("x", "n", "wilson", "exact"),
    [
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_single_proportions_match_newcombe_table_1(x, n, wilson, exact):
    assert wilson_interval(x, n) == pytest.approx(wilson, abs=5.1e-5)
    assert clopper_pearson_interval(x, n) == pytest.approx(exact, abs=5.1e-5)


@pytest.mark.parametrize(
    ("table", "limits"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((6, 7, 2, 7), (0.0582, 0.8062)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
    ],
)
def test_differences_match_newcombe_table_2_method_10(table, limits):
    assert newcombe_difference(*table) == pytest.approx(limits, abs=5.1e-5)


def test_the_ratio_matches_koopmans_example():
    assert koopman_ratio(36, 40, 16, 80) == pytest.approx((2.94, 7.15), abs=5e-3)


def test_wilson_limits_are_exact_at_the_ends():
    n = np.arange(1, 400)
    for level in (0.5, 0.9, 0.95, 0.999999):
        assert np.all(wilson_interval(np.zeros_like(n), n, level).low == 0.0)
        assert np.all(wilson_interval(n, n, level).high == 1.0)
        assert np.all(clopper_pearson_interval(np.zeros_like(n), n, level).low == 0.0)
        assert np.all(clopper_pearson_interval(n, n, level).high == 1.0)


def test_clopper_pearson_at_no_successes_has_its_closed_form():
    for n in (1, 7, 1000):
        assert clopper_pearson_interval(0, n, 0.95).high == pytest.approx(1 - 0.025 ** (1 / n), rel=1e-12)


def test_no_rows_give_vacuous_intervals():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert clopper_pearson_interval(0, 0) == (0.0, 1.0)
    for difference in (newcombe_difference, melded_difference):
        assert difference(0, 0, 3, 9) == (-1.0, 1.0)
        assert difference(3, 9, 0, 0) == (-1.0, 1.0)
    for ratio in (koopman_ratio, melded_ratio):
        assert ratio(0, 0, 3, 9) == (0.0, math.inf)
        assert ratio(3, 9, 0, 0) == (0.0, math.inf)


@pytest.mark.parametrize("ratio", [koopman_ratio, melded_ratio])
def test_zero_cells_get_ratio_limits(ratio):
    low, high = ratio(0, 50, 20, 50)
    assert low == 0.0
    assert 0 < high < 1
    low, high = ratio(20, 50, 0, 50)
    assert 1 < low < math.inf
    assert high == math.inf
    assert ratio(0, 50, 0, 80) == (0.0, math.inf)


@pytest.mark.parametrize("ratio", [koopman_ratio, melded_ratio])
def test_ratio_of_two_full_groups_contains_one(ratio):
    low, high = ratio(30, 30, 12, 12)
    assert 0 < low < 1 < high < math.inf


def test_koopman_limits_are_where_the_chi_square_test_turns():
    x1, n1, x2, n2 = 7, 40, 19, 55
    for limit in koopman_ratio(x1, n1, x2, n2, 0.9):
        # the constrained likelihood is maximised by brute force, not by the formula under test
        q2 = np.linspace(1e-6, min(1, 1 / limit) - 1e-6, 2_000_001)
        q1 = limit * q2
        likelihood = x1 * np.log(q1) + (n1 - x1) * np.log1p(-q1) + x2 * np.log(q2) + (n2 - x2) * np.log1p(-q2)
        best = np.argmax(likelihood)
        statistic = sum(
            (x - n * q[best]) ** 2 / (n * q[best] * (1 - q[best])) for x, n, q in ((x1, n1, q1), (x2, n2, q2))
        )
        assert statistic == pytest.approx(stats.chi2.ppf(0.9, 1), rel=1e-4)


def test_mover_difference_of_symmetric_limits_is_the_normal_interval():
    first, second = normal_interval(0.7, 0.03), normal_interval(0.4, 0.04)
    together = mover_difference(0.7, *first, 0.4, *second)
    assert together == pytest.approx(normal_interval(0.3, 0.05), abs=1e-12)


def test_normal_interval_uses_the_quantile_of_its_level():
    assert normal_interval(1.0, 2.0, 0.95) == pytest.approx((1 - 2 * 1.959963985, 1 + 2 * 1.959963985))


@given(counts(), LEVELS)
def test_limits_of_a_rate_enclose_it_within_the_unit_interval(count, level):
    x, n = count
    for interval in (wilson_interval, clopper_pearson_interval):
        low, high = interval(x, n, level)
        assert 0 <= low <= x / n <= high <= 1


@given(counts(), LEVELS, LEVELS)
def test_a_higher_level_never_narrows_a_rates_interval(count, one, other):
    lower, higher = sorted((one, other))
    for interval in (wilson_interval, clopper_pearson_interval):
        inner, outer = interval(*count, lower), interval(*count, higher)
        assert outer.low <= inner.low + 1e-12
        assert inner.high <= outer.high + 1e-12


@given(counts(), LEVELS)
def test_wilson_limits_are_where_the_score_test_turns(count, level):
    x, n = count
    z = stats.norm.ppf((1 + level) / 2)
    for limit in wilson_interval(x, n, level):
        if 0 < limit < 1:
            assert abs(x / n - limit) == pytest.approx(
                z * math.sqrt(limit * (1 - limit) / n), rel=1e-6, abs=1e-12
            )


@settings(max_examples=60)
@given(counts(), counts(), LEVELS, LEVELS)
def test_two_group_intervals_hold_their_estimate_and_nest(one, other, level_a, level_b):
    lower, higher = sorted((level_a, level_b))
    for interval in TWO_GROUPS:
        inner, outer = interval(*one, *other, lower), interval(*one, *other, higher)
        if interval in (newcombe_difference, melded_difference):
            value = one[0] / one[1] - other[0] / other[1]
            assert inner.low >= -1 - 1e-12
            assert inner.high <= 1 + 1e-12
        elif one[0] and other[0]:
            value = (one[0] / one[1]) / (other[0] / other[1])
        else:
            continue
        assert inner.low - 1e-9 * abs(inner.low) <= value <= inner.high + 1e-9 * abs(inner.high)
        # the search for melded limits stops at 1e-9
        assert outer.low <= inner.low + 1e-7 * abs(inner.low) + 1e-8
        assert outer.high >= inner.high - 1e-7 * abs(inner.high) - 1e-8


@settings(max_examples=60)
@given(counts(), counts(), LEVELS)
def test_swapping_the_groups_inverts_a_ratio_and_negates_a_difference(one, other, level):
    for ratio in (koopman_ratio, melded_ratio):
        there, back = ratio(*one, *other, level), ratio(*other, *one, level)
        assert there.low == pytest.approx(1 / back.high if back.high > 0 else math.inf, rel=1e-9)
        assert there.high == pytest.approx(1 / back.low if back.low > 0 else math.inf, rel=1e-9)
    for difference in (newcombe_difference, melded_difference):
        there, back = difference(*one, *other, level), difference(*other, *one, level)
        assert there == pytest.approx((-back.high, -back.low), abs=1e-12)


@pytest.mark.parametrize("interval", TWO_GROUPS)
def test_arrays_give_what_scalars_give(interval):
    x1, n1 = np.array([0, 3, 9, 0]), np.array([5, 9, 9, 0])
    together = interval(x1, n1, 4, 11, 0.97)
    for k in range(4):
        low, high = interval(int(x1[k]), int(n1[k]), 4, 11, 0.97)
        assert isinstance(low, float)
        assert (together.low[k], together.high[k]) == pytest.approx((low, high), rel=1e-12)


@pytest.mark.parametrize("x", [-1, 6, float("nan")])
def test_impossible_counts_are_refused(x):
    for refused in (
        lambda: wilson_interval(x, 5),
        lambda: clopper_pearson_interval(x, 5),
        lambda: koopman_ratio(1, 5, x, 5),
        lambda: melded_difference(x, 5, 1, 5),
    ):
        with pytest.raises(BadInput, match="between 0 and trials"):
            refused()


@pytest.mark.parametrize("level", [0.0, 1.0, 95, float("nan")])
def test_impossible_levels_are_refused(level):
    with pytest.raises(BadInput, match="between 0 and 1"):
        wilson_interval(1, 5, level)
