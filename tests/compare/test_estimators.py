"""Intervals of changes of gaps and ratios hold at their level, near parity and without changed rows too."""

from __future__ import annotations

import numpy as np
import pytest

from assay.compare.estimators import Level, rate_estimate, states
from assay.compare.scales import Merit, change_on_scale

DISTANCE, FOLDED = Merit(-1, parity=0.0), Merit(1, folded=True)


def _draw(
    rng: np.random.Generator, rows: int, rates: tuple[tuple[float, float], tuple[float, float]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of two groups counted by two runs that agree as much as a common uniform number makes them."""
    group = np.arange(2 * rows) % 2
    common = rng.random(2 * rows)
    before = common < np.where(group == 0, rates[0][0], rates[0][1])
    own = np.where(rng.random(2 * rows) < 0.8, common, rng.random(2 * rows))
    after = own < np.where(group == 0, rates[1][0], rates[1][1])
    return before, after, group.astype(np.int64)


@pytest.mark.parametrize(
    ("rates", "kind", "merit"),
    [
        (((0.5, 0.3), (0.42, 0.38)), "difference", DISTANCE),
        (((0.4, 0.4), (0.4, 0.4)), "difference", DISTANCE),
        (((0.3, 0.5), (0.38, 0.42)), "ratio", FOLDED),
    ],
    ids=["gap narrowed", "no gap, no change", "ratio"],
)
def test_the_change_of_a_gap_is_covered(
    rates: tuple[tuple[float, float], tuple[float, float]], kind: str, merit: Merit
) -> None:
    rng = np.random.default_rng(11)

    def of(pair: tuple[float, float]) -> float:
        return merit.of(pair[0] - pair[1] if kind == "difference" else pair[0] / pair[1])

    truth = of(rates[1]) - of(rates[0])
    held = 0
    for _ in range(100):
        before, after, group = _draw(rng, 250, rates)
        every = np.ones(len(group), dtype=bool)
        found = rate_estimate(
            states(before, every), states(after, every), group, 2, kind, merit, Level(0.95), None, rng
        )
        assert found is not None
        held += found.low <= truth <= found.high
    # fewer than 89 of 100 has a chance of 1 in 100 at 95 %
    assert held >= 89


def test_a_gap_without_any_changed_row_keeps_an_interval() -> None:
    counted = np.arange(100) % 3 == 0
    group, every = (np.arange(100) % 2).astype(np.int64), np.ones(100, dtype=bool)
    same = states(counted, every)
    rng = np.random.default_rng(1)
    found = rate_estimate(same, same, group, 2, "difference", DISTANCE, Level(0.95), None, rng)
    assert found is not None
    assert found.low < -0.02
    assert found.high > 0.02


def test_an_undefined_rate_gives_no_estimate() -> None:
    none = states(np.zeros(10, dtype=bool), np.zeros(10, dtype=bool))
    group, rng = np.zeros(10, dtype=np.int64), np.random.default_rng(1)
    assert rate_estimate(none, none, group, 1, "share", Merit(1), Level(0.95), None, rng) is None


def test_a_family_widens_the_interval() -> None:
    rng = np.random.default_rng(2)
    before, after, group = _draw(rng, 400, ((0.5, 0.3), (0.45, 0.35)))
    every = np.ones(len(group), dtype=bool)

    def width(family: int) -> float:
        found = rate_estimate(
            states(before, every),
            states(after, every),
            group,
            2,
            "difference",
            DISTANCE,
            Level(0.95, family),
            None,
            np.random.default_rng(3),
        )
        assert found is not None
        return found.high - found.low

    # the normal quantile of 1 - .05/66 over that of .95: 3.37 / 1.96
    assert width(66) / width(1) == pytest.approx(3.37 / 1.96, rel=0.01)


def test_limits_on_a_distance_follow_from_limits_of_signed_differences() -> None:
    # B in [.1, .2], A in [.3, .4], both surely positive: |B| - |A| is B - A
    limits = {(0, 0): (-0.3, -0.1), (1, 1): (0.1, 0.3), (0, 1): (0.4, 0.6), (1, 0): (-0.6, -0.4)}
    assert change_on_scale(DISTANCE, lambda s, t: limits[s, t]) == (-0.3, -0.1)
    # A surely positive, B of unknown sign around 0: never more than |B - A| apart
    limits = {(0, 0): (-0.35, -0.15), (1, 1): (0.15, 0.35), (0, 1): (0.15, 0.35), (1, 0): (-0.35, -0.15)}
    assert change_on_scale(DISTANCE, lambda s, t: limits[s, t]) == (-0.35, -0.15)
