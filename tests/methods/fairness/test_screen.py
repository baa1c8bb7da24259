"""The four-fifths screen, and the bounds for unknown groups, against brute force and published examples."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.methods.fairness.screen import ratio_bounds, reference_group, shortfall, significance_of


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_the_shortfall_is_the_fewest_persons_that_reach_four_fifths(
    rows: int, best_rows: int, data: st.DataObject
) -> None:
    best = data.draw(st.integers(1, best_rows))
    selected = data.draw(st.integers(0, rows))
    goal = Fraction(4, 5) * Fraction(best, best_rows)
    fewest = next(s for s in range(rows + 1) if Fraction(min(selected + s, rows), rows) >= goal)
    assert shortfall(selected, rows, best, best_rows) == fewest


def test_a_group_at_exactly_four_fifths_lacks_nobody() -> None:
    # 0.8 * 0.3 = 0.24000000000000002 in floating point: rounding would ask for a 25th person
    assert shortfall(24, 100, 30, 100) == 0
    assert shortfall(23, 100, 30, 100) == 1


def _assignments(groups: int, total: int) -> list[tuple[int, ...]]:
    return [way for way in product(range(total + 1), repeat=groups) if sum(way) == total]


def _brute_force(x: list[int], n: list[int], u: int, v: int) -> tuple[float | None, float | None]:
    """Worst and best ratio over every way of giving each unknown row to a group."""
    ratios = []
    for selected in _assignments(len(x), u):
        for unselected in _assignments(len(x), v):
            rates = [(x[g] + selected[g]) / (n[g] + selected[g] + unselected[g]) for g in range(len(x))]
            if max(rates) > 0:
                ratios.append(min(rates) / max(rates))
    return (min(ratios), max(ratios)) if ratios else (None, None)


tables = st.integers(2, 3).flatmap(
    lambda groups: st.tuples(
        st.lists(st.integers(1, 8), min_size=groups, max_size=groups),
        st.lists(st.floats(0, 1), min_size=groups, max_size=groups),
        st.integers(0, 4),
        st.integers(0, 4),
    )
)


@settings(max_examples=150, deadline=None)
@given(tables)
def test_bounds_hold_for_every_way_the_unknown_rows_can_lie(
    table: tuple[list[int], list[float], int, int],
) -> None:
    n, shares, u, v = table
    x = [int(share * rows) for share, rows in zip(shares, n, strict=True)]
    worst, best = ratio_bounds(np.array(x), np.array(n), u, v)
    least, most = _brute_force(x, n, u, v)
    if least is None:
        assert worst is None
        assert best is None
        return
    assert worst is not None
    assert best is not None
    assert worst == pytest.approx(least, abs=1e-12)  # some way attains it
    assert best >= most - 1e-12  # no way exceeds it


@pytest.mark.parametrize(
    ("x", "n", "u", "v", "best"),
    [
        ([10, 30], [50, 50], 5, 5, Fraction(15, 55) / Fraction(30, 55)),
        ([0, 5], [10, 10], 0, 0, Fraction(0)),
        ([2, 2, 8], [10, 10, 10], 4, 6, Fraction(8, 24) / Fraction(8, 16)),
        ([4, 5], [10, 10], 3, 3, Fraction(1)),
    ],
)
def test_the_best_case_is_attained_where_whole_rows_divide(
    x: list[int], n: list[int], u: int, v: int, best: Fraction
) -> None:
    _, bound = ratio_bounds(np.array(x), np.array(n), u, v)
    assert bound == pytest.approx(float(best), abs=1e-12)


def test_without_unknown_rows_both_bounds_are_the_ratio_itself() -> None:
    worst, best = ratio_bounds(np.array([2, 6, 4]), np.array([10, 10, 10]), 0, 0)
    assert worst == pytest.approx(1 / 3)
    assert best == pytest.approx(1 / 3)


def test_the_reference_is_the_highest_eligible_rate_and_the_first_of_equals() -> None:
    selected, rows = np.array([1, 5, 5, 2]), np.array([2, 10, 10, 2])
    assert reference_group(selected, rows, np.array([True, True, True, False])) == 0
    assert reference_group(selected, rows, np.array([False, True, True, False])) == 1
    assert reference_group(selected, rows, np.zeros(4, bool)) is None


def test_small_expected_counts_are_tested_exactly_and_others_by_z() -> None:
    selected, rows = np.array([48, 12, 1]), np.array([80, 40, 6])
    results = significance_of(selected, rows, 0, [1, 2])
    assert [r.test for r in results] == ["z", "fisher"]
    # the square of the pooled z statistic is the uncorrected chi-square statistic
    chi = scipy.stats.chi2_contingency([[48, 32], [12, 28]], correction=False).pvalue
    assert results[0].p == pytest.approx(chi)
    assert results[1].p == pytest.approx(scipy.stats.fisher_exact([[48, 32], [1, 5]]).pvalue)
    low, high = sorted(r.p for r in results)
    assert [r.adjusted for r in sorted(results, key=lambda r: r.p)] == pytest.approx(
        [2 * low, max(2 * low, high)]
    )
