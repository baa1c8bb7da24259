"""AUC, mean loss and calibration error under unknown groups, against every way of placing the rows."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from assay.stats.membership_scores import area_ends, calibration_error_ends, mean_ends
from assay.stats.ranking import area_under_curve


def _subsets(counts: np.ndarray) -> list[np.ndarray]:
    return [np.array(way) for way in product(*(range(int(count) + 1) for count in counts))]


@pytest.mark.parametrize("seed", range(12))
def test_the_area_lies_between_the_extremes_of_every_placing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    negatives, positives = rng.integers(0, 4, 5), rng.integers(0, 4, 5)
    negatives[rng.integers(5)] += 1
    positives[rng.integers(5)] += 1
    maybe = rng.integers(0, 3, (2, 5)) * (rng.random((2, 5)) < 0.6)
    areas = [
        area_under_curve(negatives + down, positives + up)
        for down in _subsets(maybe[0])
        for up in _subsets(maybe[1])
    ]
    low, high = area_ends(negatives, positives, *maybe)
    assert low == pytest.approx(min(areas), abs=1e-12)
    assert high == pytest.approx(max(areas), abs=1e-12)


def test_fewer_steps_only_widen_the_bounds_and_little() -> None:
    rng = np.random.default_rng(3)
    negatives, positives = rng.integers(0, 5, 900), np.sort(rng.integers(0, 5, 900))
    maybe = rng.integers(0, 2, (2, 900))
    low, high = area_ends(negatives, positives, *maybe, steps=2_000)
    outer_low, outer_high = area_ends(negatives, positives, *maybe, steps=64)
    assert outer_low <= low <= high <= outer_high
    assert outer_high - high < 0.01
    assert low - outer_low < 0.01


@pytest.mark.parametrize("seed", range(8))
def test_a_mean_and_a_calibration_error_lie_within_their_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = 6
    p, y, bins = rng.random(rows), rng.integers(0, 2, rows), rng.integers(0, 2, rows)
    q, z, into = rng.random(5), rng.integers(0, 2, 5), rng.integers(0, 2, 5)

    def error(chosen: np.ndarray) -> float:
        gap = np.concatenate([y - p, (z - q)[chosen]])
        place = np.concatenate([bins, into[chosen]])
        return float(np.abs(np.bincount(place, gap, 2)).sum() / len(gap))

    placings = [np.array(way, dtype=bool) for way in product([False, True], repeat=5)]
    errors = [error(way) for way in placings]
    low, high = calibration_error_ends(error(placings[0]), rows, np.abs(z - q), np.ones(5, dtype=np.int64))
    assert low <= min(errors) + 1e-12
    assert high >= max(errors) - 1e-12
    terms, maybe = (y - p) ** 2, (z - q) ** 2
    means = [float(np.concatenate([terms, maybe[way]]).mean()) for way in placings]
    ends = mean_ends(float(terms.sum()), rows, maybe, np.ones(5, dtype=np.int64))
    assert ends == pytest.approx((min(means), max(means)))
