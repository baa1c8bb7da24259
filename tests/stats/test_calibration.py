from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from assay.stats import calibration
from tests.stats.score_data import cells, noisy


def binned(scores, labels, bins=15):
    values, negatives, positives = cells(scores, labels)
    placed = np.unique(calibration.equal_mass_bins(negatives + positives, bins), return_inverse=True)[1]
    return calibration.bin_counts(values * (negatives + positives), negatives, positives, placed)


def test_brier_and_log_loss_equal_scikit_learn():
    scores, labels = noisy(3_000, 1, digits=3)
    scores[:2] = [0.0, 1.0]
    hit = labels == 1
    for terms, peer in (
        (calibration.brier_terms, brier_score_loss),
        (calibration.log_loss_terms, log_loss),
    ):
        negative, positive = terms(scores)
        assert np.where(hit, positive, negative).mean() == pytest.approx(peer(labels, scores), abs=1e-12)


def test_calibration_error_of_a_hand_worked_example():
    # Guo et al. 2017, equation 3, by hand: 4 rows at .2 with 2 hits, 6 rows at .7 with 3 hits:
    # 4/10 |.5 - .2| + 6/10 |.5 - .7| = .12 + .12
    scores, labels = [0.2] * 4 + [0.7] * 6, [1, 1, 0, 0, 1, 1, 1, 0, 0, 0]
    values, negatives, positives = cells(scores, labels)
    tenths = (values * 10).astype(np.int64)
    bins = calibration.bin_counts(values * (negatives + positives), negatives, positives, tenths)
    assert calibration.calibration_error(bins) == pytest.approx(0.24)
    assert list(bins.n) == [4, 6]


def test_equal_mass_bins_hold_equal_rows_and_keep_ties_whole():
    assert list(np.bincount(calibration.equal_mass_bins(np.ones(150, int), 15))) == [10] * 15
    heavy = calibration.equal_mass_bins(np.array([1, 100, 1, 1]), 4)
    assert len(heavy) == 4
    assert np.all(np.diff(heavy) >= 0)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.5, 0.4), (2.0, -1.0)])
def test_slope_and_intercept_equal_unpenalised_logistic_regression(slope, intercept):
    rng = np.random.default_rng(3)
    scores = rng.uniform(0.02, 0.98, 20_000).round(3)
    logit = np.log(scores / (1 - scores))
    labels = (rng.random(20_000) < expit(intercept + slope * logit)).astype(int)
    line = calibration.calibration_line(*cells(scores, labels))
    peer = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1_000).fit(logit[:, None], labels)
    assert line is not None
    assert line.slope == pytest.approx(peer.coef_[0, 0], abs=1e-6)
    assert line.intercept == pytest.approx(peer.intercept_[0], abs=1e-6)
    errors = np.sqrt(np.diag(line.covariance))
    assert abs(line.slope - slope) < 4 * errors[1]
    assert abs(line.intercept - intercept) < 4 * errors[0]


def test_the_covariance_is_the_inverse_information():
    scores, labels = noisy(500, 4)
    line = calibration.calibration_line(*cells(scores, labels))
    assert line is not None
    x = np.log(scores / (1 - scores))
    fitted = expit(line.intercept + line.slope * x)
    design = np.stack([np.ones(500), x], axis=1)
    information = design.T @ (design * (fitted * (1 - fitted))[:, None])
    assert line.covariance @ information == pytest.approx(np.eye(2), abs=1e-8)


def test_the_rows_scores_sum_to_0_at_the_fitted_line():
    scores, labels = noisy(500, 5)
    line = calibration.calibration_line(*cells(scores, labels))
    assert line is not None
    assert np.abs(calibration.line_scores(line, scores, labels == 1).sum(axis=0)).max() < 1e-6


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]),
        ([0.1, 0.5, 0.5, 0.9], [0, 0, 1, 1]),
        ([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0]),
        ([0.5, 0.5, 0.5], [0, 1, 1]),
        ([0.2, 0.5], [1, 1]),
    ],
)
def test_no_line_where_no_finite_maximum_exists(scores, labels):
    assert calibration.calibration_line(*cells(scores, labels)) is None


def test_probabilities_of_0_and_1_are_clipped_and_counted():
    scores, labels = noisy(400, 6)
    scores[:3] = [0.0, 1.0, 1.0]
    line = calibration.calibration_line(*cells(scores, labels))
    assert line is not None
    assert line.clipped == 3


def test_a_calibrated_model_keeps_0_in_the_interval_of_its_calibration_error():
    rng = np.random.default_rng(7)
    missed, naive_missed = 0, 0
    for _ in range(200):
        scores = rng.random(600)
        labels = (rng.random(600) < scores).astype(int)
        bins = binned(scores, labels)
        place = np.minimum(np.argsort(np.argsort(scores)) * 15 // 600, 14)
        resampled = np.stack(
            [
                np.bincount(place[rows], (labels - scores)[rows], 15)
                for rows in rng.integers(0, 600, size=(200, 600))
            ]
        )
        interval = calibration.calibration_error_interval(bins, resampled)
        missed += interval.low > 0
        naive_missed += np.quantile(np.abs(resampled).sum(axis=1) / 600, 0.025) > 0
        assert interval.low <= calibration.calibration_error(bins) <= interval.high
    # 5 % of 200 is 10; more than 22 has probability 0.0003. The percentile interval always misses 0.
    assert missed <= 22
    assert naive_missed == 200


def test_a_miscalibrated_model_is_found():
    rng = np.random.default_rng(8)
    truth = rng.random(4_000)
    labels = (rng.random(4_000) < truth).astype(int)
    line = calibration.calibration_line(*cells(truth**2, labels))
    assert line is not None
    error = float(np.sqrt(line.covariance[1, 1]))
    assert line.slope + 1.96 * error < 1
    # squared probabilities are too low by p - p^2, on average 1/6
    assert calibration.calibration_error(binned(truth**2, labels)) == pytest.approx(1 / 6, abs=0.03)
