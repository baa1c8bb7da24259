"""The paired score interval, against its definition solved by an independent optimiser."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from assay.errors import BadInput
from assay.stats.paired_rates import tango_difference


def constrained_q(b: int, c: int, n: int, d: float) -> float:
    """The q that maximises the trinomial likelihood of (b, c, rest) with p1 - p2 = d."""

    def loss(q: float) -> float:
        cells = np.array([q + d, q, 1 - 2 * q - d])
        return -float(np.sum(np.array([b, c, n - b - c]) * np.log(np.maximum(cells, 1e-300))))

    low, high = max(0.0, -d), (1 - d) / 2
    return float(
        optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    )


@pytest.mark.parametrize(("b", "c", "n"), [(12, 3, 50), (150, 86, 1600), (9, 1, 30), (40, 41, 100)])
def test_both_limits_lie_where_the_score_test_just_rejects(b: int, c: int, n: int) -> None:
    low, high = tango_difference(b, c, n, 0.95)
    for limit in (low, high):
        q = constrained_q(b, c, n, limit)
        statistic = (b - c - n * limit) / np.sqrt(n * (2 * q + limit * (1 - limit)))
        assert abs(statistic) == pytest.approx(stats.norm.ppf(0.975), abs=1e-4)


def test_many_rows_give_the_textbook_interval_of_a_paired_difference() -> None:
    """Approval in two surveys of 1,600 people: difference .04, 95 % interval .021 to .059."""
    low, high = tango_difference(150, 86, 1600, 0.95)
    assert (low, high) == (pytest.approx(0.0212, abs=5e-4), pytest.approx(0.0588, abs=5e-4))


@pytest.mark.parametrize(
    ("first_only", "second_only", "rows", "level", "low", "high"),
    [
        # Fagerland, Lydersen & Laake 2014: Tango's interval of Bentur et al. 2009 (1, 1, 7, 12)
        (1, 7, 21, 0.95, -0.517, -0.026),
        # R's PropCIs: scoreci.mp(25, 28, 618, 0.90) and scoreci.mp(41, 48, 549, 0.90)
        (28, 25, 618, 0.90, -0.0148, 0.0247),
        (48, 41, 549, 0.90, -0.0157, 0.0414),
    ],
)
def test_published_intervals_are_reproduced(
    first_only: int, second_only: int, rows: int, level: float, low: float, high: float
) -> None:
    digits = 5e-4 if rows == 21 else 5e-5
    assert tango_difference(first_only, second_only, rows, level) == pytest.approx((low, high), abs=digits)


def test_no_discordant_row_still_leaves_doubt() -> None:
    low, high = tango_difference(0, 0, 100)
    assert (low, high) == (pytest.approx(-0.037, abs=1e-3), pytest.approx(0.037, abs=1e-3))
    assert tango_difference(0, 0, 0) == (-1.0, 1.0)


def test_exchanging_the_two_turns_the_interval_round() -> None:
    b, c = np.array([5.0, 0.0, 20.0]), np.array([1.0, 7.0, 20.0])
    low, high = tango_difference(b, c, np.full(3, 60.0))
    back_low, back_high = tango_difference(c, b, np.full(3, 60.0))
    np.testing.assert_allclose([low, high], [-back_high, -back_low], atol=1e-12)


def test_it_misses_the_true_difference_about_as_often_as_its_level_says() -> None:
    rng = np.random.default_rng(3)
    drawn = rng.multinomial(60, [0.10, 0.02, 0.88], 4_000)
    low, high = tango_difference(drawn[:, 0].astype(float), drawn[:, 1].astype(float), np.full(4_000, 60.0))
    assert 0.93 <= np.mean((low <= 0.08) & (high >= 0.08)) <= 0.985


def test_more_discordant_rows_than_rows_are_refused() -> None:
    with pytest.raises(BadInput, match="between 0 and n"):
        tango_difference(4, 7, 10)
