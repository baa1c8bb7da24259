"""Gaussian scores: AUC Phi(d / sqrt 2), TPR Phi(d + Phi^-1(FPR)), advantage 2 Phi(d / 2) - 1."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from assay.methods.privacy.threshold_attack import (
    attack_area,
    held_out_advantage,
    log_scale_roc,
    non_members_needed,
    true_positives_at,
)


def gaussian(rows: int, shift: float) -> np.ndarray:
    """The quantiles of a normal distribution at (i - 1/2) / rows: a sample without luck."""
    return ndtri((np.arange(rows) + 0.5) / rows) + shift


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0, 2.0])
def test_the_closed_forms_of_two_shifted_gaussians(shift: float) -> None:
    members, others = gaussian(20_000, shift), gaussian(20_000, 0.0)
    assert attack_area(members, others, 0.95)[0] == pytest.approx(ndtr(shift / math.sqrt(2)), abs=2e-4)
    for rate in (0.001, 0.01, 0.1):
        found = true_positives_at(members, others, rate, 0.95)
        assert found.caught / found.members == pytest.approx(ndtr(shift + ndtri(rate)), abs=2e-3)
        assert found.flagged == round(rate * 20_000)
    advantage = held_out_advantage(members, others, np.random.default_rng(1), 0.95)
    assert advantage.low <= 2 * ndtr(shift / 2) - 1 <= advantage.high


def test_the_curve_is_the_closed_form_at_every_scale() -> None:
    curve = log_scale_roc(gaussian(50_000, 1.0), gaussian(50_000, 0.0), 0.95)
    assert curve.false_positive_rate[0] == pytest.approx(1 / 50_000)
    assert (curve.false_positive_rate[-1], curve.true_positive_rate[-1]) == (1.0, 1.0)
    expected = ndtr(1.0 + ndtri(curve.false_positive_rate[:-1]))
    np.testing.assert_allclose(curve.true_positive_rate[:-1], expected, atol=2e-3)
    assert (curve.low <= curve.true_positive_rate).all()
    assert (curve.true_positive_rate <= curve.high).all()


def test_chosen_on_the_rows_it_is_measured_on_the_advantage_would_be_too_good() -> None:
    rng = np.random.default_rng(2)
    held, naive = [], []
    for _ in range(200):
        members, others = rng.normal(size=200), rng.normal(size=200)
        held.append(held_out_advantage(members, others, rng, 0.95).value)
        cuts = np.concatenate([members, others])[:, None]
        naive.append(((members >= cuts).mean(axis=1) - (others >= cuts).mean(axis=1)).max())
    assert abs(np.mean(held)) < 3 * np.std(held) / math.sqrt(200)
    assert np.mean(naive) > 0.05


def test_the_held_out_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    misses = 0
    for _ in range(300):
        found = held_out_advantage(rng.normal(size=100), rng.normal(size=100), rng, 0.95)
        misses += not found.low <= 0 <= found.high
    assert misses <= 25  # 15 expected; P(more than 25 of 300 at 5 %) < 1 %


def test_tied_scores_are_flagged_together_or_not_at_all() -> None:
    others = np.concatenate([np.ones(50), np.zeros(950)])
    found = true_positives_at(np.ones(100), others, 0.01, 0.95)
    assert (found.caught, found.flagged, found.allowed) == (0, 0, 10)


def test_a_single_false_positive_needs_the_inverse_of_the_rate() -> None:
    assert [non_members_needed(rate) for rate in (0.001, 0.01, 0.3)] == [1_000, 100, 4]
