from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import BadInput
from assay.stats.melded import melded_difference, melded_ratio
from assay.stats.pairwise import pairwise_bootstrap, pairwise_differences, pairwise_ratios

SUCCESSES, TRIALS = [30, 12, 45, 0, 12], [60, 60, 90, 0, 60]


def test_all_pairs_of_groups_with_rows_appear_once_and_oriented():
    table = pairwise_differences(SUCCESSES, TRIALS)
    pairs = [tuple(sorted(p)) for p in zip(table.first.tolist(), table.second.tolist(), strict=True)]
    assert sorted(pairs) == [(0, 1), (0, 2), (0, 4), (1, 2), (1, 4), (2, 4)]
    assert np.all(table.value >= 0)
    assert table.family == 6
    ratios = pairwise_ratios(SUCCESSES, TRIALS)
    assert np.all(ratios.value <= 1)
    assert len(ratios) == 6


def test_ties_keep_the_order_of_the_groups():
    for table in (pairwise_differences(SUCCESSES, TRIALS), pairwise_ratios(SUCCESSES, TRIALS)):
        order = list(zip(table.first.tolist(), table.second.tolist(), strict=True))
        assert (0, 2) in order
        assert (1, 4) in order


def test_each_pair_is_the_two_group_interval_at_the_shared_level():
    each = 1 - 0.05 / 6
    for table, interval in (
        (pairwise_differences(SUCCESSES, TRIALS), melded_difference),
        (pairwise_ratios(SUCCESSES, TRIALS), melded_ratio),
    ):
        for k in range(len(table)):
            i, j = int(table.first[k]), int(table.second[k])
            expected = interval(SUCCESSES[i], TRIALS[i], SUCCESSES[j], TRIALS[j], each)
            assert (table.low[k], table.high[k]) == pytest.approx(expected, rel=1e-12)
            assert table.n[k] == TRIALS[i] + TRIALS[j]


def test_very_many_pairs_get_wider_limits_that_hold_as_surely():
    rng = np.random.default_rng(6)
    trials = rng.integers(1, 400, 210)
    successes = rng.binomial(trials, 0.3)
    some = rng.choice(210 * 209 // 2, 300, replace=False)
    for pairwise, melded in ((pairwise_differences, melded_difference), (pairwise_ratios, melded_ratio)):
        table = pairwise(successes, trials)
        a, b = table.first[some], table.second[some]
        inner = melded(successes[a], trials[a], successes[b], trials[b], 1 - 0.05 / len(table))
        assert np.all(table.low[some] <= inner.low + 1e-9)
        assert np.all(table.high[some] >= inner.high * (1 - 1e-9))
        held = ~np.isnan(table.value)
        assert np.all((table.low <= table.value)[held])
        assert np.all((table.value <= table.high)[held])


def test_a_larger_family_widens_every_interval():
    narrow, wide = pairwise_differences(SUCCESSES, TRIALS), pairwise_differences(SUCCESSES, TRIALS, family=60)
    assert np.all(wide.low < narrow.low)
    assert np.all(wide.high > narrow.high)
    assert wide.family == 60


def test_two_groups_without_successes_have_no_ratio_but_open_limits():
    table = pairwise_ratios([0, 0], [40, 70])
    assert np.isnan(table.value[0])
    assert (table.low[0], table.high[0]) == (0.0, np.inf)


def test_fewer_than_two_groups_make_no_pair():
    for successes, trials in (([3], [9]), ([3, 0], [9, 0]), ([], [])):
        assert len(pairwise_differences(np.array(successes), np.array(trials))) == 0


def test_repetitions_on_leading_axes_agree_with_one_at_a_time():
    rng = np.random.default_rng(3)
    trials = np.array([40, 55, 9])
    many = rng.binomial(trials, 0.4, size=(7, 3))
    for pairwise in (pairwise_differences, pairwise_ratios):
        together = pairwise(many, trials)
        for k, successes in enumerate(many):
            alone = pairwise(successes, trials)
            np.testing.assert_array_equal(together.first[k], alone.first)
            np.testing.assert_allclose(together.high[k], alone.high, rtol=1e-12)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=8))
def test_every_interval_holds_its_value(groups):
    successes, trials = [min(g) for g in groups], [max(g) for g in groups]
    for table in (pairwise_differences(successes, trials), pairwise_ratios(successes, trials)):
        defined = ~np.isnan(table.value)
        assert np.all(table.low[defined] <= table.value[defined] + 1e-12)
        assert np.all(table.value[defined] <= table.high[defined] + 1e-12)


def test_bootstrap_limits_of_one_pair_approach_the_normal_ones():
    rng = np.random.default_rng(11)
    replicates = rng.normal([0.6, 0.4], [0.03, 0.04], size=(40_000, 2))
    table = pairwise_bootstrap([0.6, 0.4], replicates, [100, 100])
    assert (table.low[0], table.high[0]) == pytest.approx((0.2 - 1.96 * 0.05, 0.2 + 1.96 * 0.05), abs=2e-3)


def test_bootstrap_limits_hold_for_all_pairs_at_once():
    """Values and replicates are normal with known spread, so the exact share of misses is 5 %."""
    rng = np.random.default_rng(5)
    spread = np.array([0.02, 0.03, 0.05, 0.02])
    noise = rng.normal(0, spread, size=(3000, 4))
    held = 0
    for _ in range(400):
        values = rng.normal(0.5, spread)
        table = pairwise_bootstrap(values, values + noise, [9] * 4)
        held += bool(np.all(table.low <= 0))
    # 0 lies inside all limits exactly when no pair, oriented upwards, starts above it; 4 sigma = 4.4 %
    assert held / 400 == pytest.approx(0.95, abs=0.044)


def test_bootstrap_ratios_stay_positive_and_are_made_on_the_log_scale():
    rng = np.random.default_rng(2)
    logs = rng.normal(np.log([0.3, 0.6]), [0.1, 0.2], size=(40_000, 2))
    table = pairwise_bootstrap([0.3, 0.6], np.exp(logs), [10, 20], kind="ratio")
    half = 1.96 * np.hypot(0.1, 0.2)
    assert table.value[0] == 0.5
    assert np.log([table.low[0], table.high[0]]) == pytest.approx(
        [np.log(0.5) - half, np.log(0.5) + half], abs=0.01
    )


def test_a_group_that_never_varies_gets_no_bootstrap_limits():
    rng = np.random.default_rng(2)
    replicates = np.column_stack([np.ones(500), rng.normal([0.5, 0.4], 0.05, size=(500, 2))])
    table = pairwise_bootstrap([1.0, 0.5, 0.4], replicates, [4, 90, 90])
    blind = (table.first == 0) | (table.second == 0)
    assert np.all(np.isneginf(table.low[blind]))
    assert np.all(np.isposinf(table.high[blind]))
    assert np.all(np.isfinite(table.low[~blind]))


def test_replicates_without_a_value_widen_until_nothing_is_claimed():
    rng = np.random.default_rng(2)
    replicates = rng.normal([0.5, 0.4], 0.05, size=(500, 2))
    replicates[:50, 0] = np.nan
    table = pairwise_bootstrap([0.5, 0.4], replicates, [30, 30])
    assert np.isposinf(table.high[0])


def test_replicates_of_the_wrong_shape_are_refused():
    with pytest.raises(BadInput, match="Replicates of shape"):
        pairwise_bootstrap([0.1, 0.2], np.zeros((50, 3)), [1, 1])
