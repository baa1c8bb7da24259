from __future__ import annotations

import math

import numpy as np
import pytest

from assay.stats.intervals import clopper_pearson_interval
from assay.stats.melded import melded_difference, melded_ratio
from assay.stats.settle import (
    rows_to_settle_difference,
    rows_to_settle_general,
    rows_to_settle_rate,
    rows_to_settle_ratio,
)

EACH = 1 - 0.05 / 6


def test_the_answer_for_a_gap_decides_and_one_row_less_does_not():
    """60 of 100 against 90 of 200: more rows of group 1 put the gap of .15 above the limit of .05."""
    more = rows_to_settle_difference(60, 100, 90, 200, -0.05, 0.05, family=6, grow=1)
    assert more is not None

    def low(extra: int) -> float:
        return melded_difference(0.6 * (100 + extra), 100 + extra, 90, 200, EACH).low

    assert low(more) > 0.05 >= low(more - 1)


def test_the_answer_for_a_ratio_decides_and_one_row_less_does_not():
    more = rows_to_settle_ratio(38, 80, 1000, 2000, 0.8, 1.25, family=6, grow=1)
    assert more is not None

    def low(extra: int) -> float:
        return melded_ratio(38 / 80 * (80 + extra), 80 + extra, 1000, 2000, EACH).low

    assert low(more) >= 0.8 > low(more - 1)


def test_more_rows_of_the_smaller_group_settle_sooner():
    small = rows_to_settle_difference(30, 50, 2600, 5000, -0.2, 0.2, grow=1)
    large = rows_to_settle_difference(30, 50, 2600, 5000, -0.2, 0.2, grow=2)
    assert small is not None
    assert large is None


def test_what_is_decided_needs_no_more_rows():
    assert rows_to_settle_difference(900, 1000, 100, 1000, -0.1, 0.1) == 0
    assert rows_to_settle_ratio(500, 1000, 510, 1000, 0.8, 1.25) == 0
    assert rows_to_settle_rate(900, 1000, 0.8, None) == 0


def test_an_estimate_on_the_limit_is_never_settled():
    assert rows_to_settle_difference(60, 100, 50, 100, -0.1, 0.1, grow=1) is None
    assert rows_to_settle_ratio(40, 100, 50, 100, 0.8, 1.25, grow=1) is None
    assert rows_to_settle_rate(80, 100, 0.8, None) is None


def test_groups_without_rows_have_no_rate_to_plan_with():
    assert rows_to_settle_difference(0, 0, 5, 10, -0.1, 0.1) is None
    assert rows_to_settle_ratio(5, 10, 0, 0, 0.8, 1.25) is None
    assert rows_to_settle_rate(0, 0, 0.5, None) is None


def test_a_rate_settles_on_either_side():
    for x, minimum, maximum in (
        (85, 0.8, None),
        (75, 0.8, None),
        (15, None, 0.2),
        (25, None, 0.2),
        (50, 0.45, 0.55),
    ):
        more = rows_to_settle_rate(x, 100, minimum, maximum)
        assert more is not None

        def decided(
            extra: int, x: int = x, minimum: float | None = minimum, maximum: float | None = maximum
        ) -> bool:
            low, high = clopper_pearson_interval(x / 100 * (100 + extra), 100 + extra)
            least, most = minimum or 0.0, maximum or 1.0
            return (low >= least and high <= most) or high < least or low > most

        assert decided(more)
        assert not decided(more - 1)


def test_the_rate_rule_is_the_textbook_sample_size():
    """p = .5 within .5 +- .01 at 95 %: n = (1.96 / .01)^2 / 4 = 9,604, and 1 / .01 = 100 more."""
    more = rows_to_settle_rate(50, 100, 0.49, 0.51)
    # Fleiss, Levin & Paik 2003, chapter 2: n + 1/w for the continuity that the exact interval allows for
    assert more == pytest.approx(9604 + 100 - 100, abs=10)


def test_general_estimates_scale_with_the_square_root_of_rows():
    # half-width .1 at n = 100, limit at distance .05: four times the rows
    assert rows_to_settle_general(0.75, 0.65, 0.85, 100, 0.7, None) == pytest.approx(300, abs=1)
    assert rows_to_settle_general(0.65, 0.55, 0.75, 100, 0.7, None) == pytest.approx(300, abs=1)
    assert rows_to_settle_general(0.0, -0.1, 0.1, 100, -0.05, 0.02) == pytest.approx(2400, abs=1)
    assert rows_to_settle_general(0.9, 0.85, 0.95, 100, 0.7, None) == 0
    assert rows_to_settle_general(1e-200, -0.1, 0.1, 100, 0.0, None) is None


def test_general_estimates_that_no_rows_can_settle():
    assert rows_to_settle_general(0.7, 0.6, 0.8, 100, 0.7, None) is None
    assert rows_to_settle_general(0.5, -math.inf, math.inf, 100, 0.2, None) is None
    assert rows_to_settle_general(0.5, 0.0, 1.0, 0, 0.2, None) is None


def test_any_two_groups_get_a_number_of_rows_or_none():
    rng = np.random.default_rng(1)
    for _ in range(50):
        n1, n2 = rng.integers(30, 400, 2)
        x1, x2 = rng.binomial([n1, n2], 0.4)
        more = rows_to_settle_difference(int(x1), int(n1), int(x2), int(n2), -0.1, 0.1, family=45)
        assert more is None or 0 <= more <= 10**9
