"""Bounds under unknown group membership, against every way of placing the rows, and by simulation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.stats.intervals import clopper_pearson_interval, wilson_interval
from assay.stats.melded import melded_difference, melded_ratio
from assay.stats.membership import Unplaced, difference_ends, rate_ends, ratio_ends
from assay.stats.pairwise import pairwise_differences, pairwise_ratios

Table = tuple[list[int], list[int], int, int]

tables = st.integers(2, 3).flatmap(
    lambda groups: st.tuples(
        st.lists(st.integers(1, 7), min_size=groups, max_size=groups),
        st.lists(st.floats(0, 1), min_size=groups, max_size=groups),
        st.integers(0, 3),
        st.integers(0, 3),
    )
)


def _ways(groups: int, hits: int, misses: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """How many hits and misses each group gets, over every way of giving each row to one group."""
    for placed in product(range(groups), repeat=hits):
        for below in product(range(groups), repeat=misses):
            yield (
                tuple(placed.count(g) for g in range(groups)),
                tuple(below.count(g) for g in range(groups)),
            )


def _counts(table: tuple[list[int], list[float], int, int]) -> Table:
    n, shares, hits, misses = table
    return [int(share * rows) for share, rows in zip(shares, n, strict=True)], n, hits, misses


def _unplaced(groups: int, hits: int, misses: int) -> Unplaced:
    return Unplaced(np.full(groups, hits), np.full(groups, misses))


@settings(max_examples=120, deadline=None)
@given(tables)
def test_the_bounds_are_the_extremes_over_every_way_of_placing_the_rows(
    drawn: tuple[list[int], list[float], int, int],
) -> None:
    x, n, hits, misses = _counts(drawn)
    groups = len(x)
    ends = rate_ends(x, n, _unplaced(groups, hits, misses))
    rates = np.array(
        [
            [(x[g] + up[g]) / (n[g] + up[g] + down[g]) for g in range(groups)]
            for up, down in _ways(groups, hits, misses)
        ]
    )
    assert ends.low == pytest.approx(rates.min(axis=0), abs=1e-12)
    assert ends.high == pytest.approx(rates.max(axis=0), abs=1e-12)
    for first, second in ((0, 1), (1, 0)):
        a = type(ends)(ends.low[first], ends.high[first])
        b = type(ends)(ends.low[second], ends.high[second])
        gap = difference_ends(a, b)
        gaps = rates[:, first] - rates[:, second]
        assert float(gap.low) == pytest.approx(gaps.min(), abs=1e-12)
        assert float(gap.high) == pytest.approx(gaps.max(), abs=1e-12)
        defined = rates[:, second] > 0
        if defined.all():
            ratio = ratio_ends(a, b)
            ratios = rates[:, first] / rates[:, second]
            assert float(ratio.low) == pytest.approx(ratios.min(), abs=1e-12)
            assert float(ratio.high) == pytest.approx(ratios.max(), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(tables)
def test_the_interval_is_the_hull_of_the_intervals_of_every_way(
    drawn: tuple[list[int], list[float], int, int],
) -> None:
    x, n, hits, misses = _counts(drawn)
    groups = len(x)
    unplaced = _unplaced(groups, hits, misses)
    ways = list(dict.fromkeys(_ways(groups, hits, misses)))
    up, down = (np.array(part) for part in zip(*ways, strict=True))
    xs, ns = np.array(x) + up, np.array(n) + up + down
    for interval in (wilson_interval, clopper_pearson_interval):
        each = interval(xs, ns, 0.9)
        assert interval(np.array(x), np.array(n) + misses, 0.9).low == pytest.approx(each.low.min(axis=0))
        assert interval(np.array(x) + hits, np.array(n) + hits, 0.9).high == pytest.approx(
            each.high.max(axis=0)
        )
    for compare, melded in ((pairwise_differences, melded_difference), (pairwise_ratios, melded_ratio)):
        table = compare(np.array(x), np.array(n), 0.9, 3, unplaced)
        for k in range(len(table)):
            a, b = int(table.first[k]), int(table.second[k])
            each = melded(xs[:, a], ns[:, a], xs[:, b], ns[:, b], 1 - 0.1 / 3)
            assert table.low[k] == pytest.approx(each.low.min(), abs=1e-6)
            assert table.high[k] == pytest.approx(each.high.max(), rel=1e-5, abs=1e-6)


def test_a_group_without_known_rows_may_have_any_rate_that_its_unknown_rows_allow() -> None:
    ends = rate_ends([0, 0, 0, 0], [0, 0, 0, 0], Unplaced(np.array([2, 2, 0, 0]), np.array([1, 0, 3, 0])))
    assert ends.low[:3].tolist() == [0, 1, 0]
    assert ends.high[:3].tolist() == [1, 1, 0]
    assert np.isnan([ends.low[3], ends.high[3]]).all()


def test_without_unknown_rows_nothing_changes() -> None:
    x, n = np.array([3, 9, 5]), np.array([20, 21, 22])
    plain, none = pairwise_differences(x, n), pairwise_differences(x, n, unplaced=_unplaced(3, 0, 0))
    assert plain.low.tolist() == none.low.tolist()
    assert plain.high.tolist() == none.high.tolist()


@pytest.mark.parametrize("hidden", ["those who were selected", "those who were not"])
def test_whoever_hides_their_group_the_true_gap_is_covered(hidden: str) -> None:
    """Groups are not missing at random: whether a row's group is known depends on group and outcome."""
    rng, truth, missed, naive, runs = np.random.default_rng(5), (0.5, 0.4), 0, 0, 400
    for _ in range(runs):
        n = np.array([300, 200])
        x = rng.binomial(n, truth)
        gone = np.zeros(2, dtype=int)
        # a third of the first group's selected (or of the second's unselected) rows lose their group
        selected = hidden == "those who were selected"
        gone[0] = rng.binomial(x[0] if selected else n[0] - x[0], 1 / 3)
        known_x = x - gone if selected else x
        hits, misses = (gone[0], 0) if selected else (0, gone[0])
        table = pairwise_differences(known_x, n - gone, 0.95, unplaced=_unplaced(2, hits, misses))
        plain = pairwise_differences(known_x, n - gone, 0.95)
        sign = 1 if table.first[0] == 0 else -1
        missed += not table.low[0] <= sign * 0.1 <= table.high[0]
        naive += not plain.low[0] <= (1 if plain.first[0] == 0 else -1) * 0.1 <= plain.high[0]
    assert missed / runs <= 0.05
    assert naive / runs > 0.2  # so that the test can fail
