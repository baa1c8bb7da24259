from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from assay.stats import ranking
from tests.stats.score_data import cells, noisy


def brute_force(scores, labels):
    """DeLong 1988, equations 1-6, from all pairs: (AUC, variance)."""
    x, y = scores[labels == 1], scores[labels == 0]
    psi = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
    v10, v01 = psi.mean(axis=1), psi.mean(axis=0)
    return psi.mean(), v10.var(ddof=1) / x.size + v01.var(ddof=1) / y.size


@pytest.mark.parametrize("digits", [None, 2, 1])
def test_auc_and_average_precision_equal_scikit_learn(digits):
    scores, labels = noisy(3_000, 1, digits=digits)
    _, negatives, positives = cells(scores, labels)
    assert ranking.area_under_curve(negatives, positives) == pytest.approx(
        roc_auc_score(labels, scores), abs=1e-12
    )
    assert float(ranking.average_precision(negatives, positives)) == pytest.approx(
        average_precision_score(labels, scores), abs=1e-12
    )


@pytest.mark.parametrize("digits", [None, 2, 1])
def test_delong_variance_equals_the_definition_over_all_pairs(digits):
    scores, labels = noisy(400, 2, digits=digits)
    _, negatives, positives = cells(scores, labels)
    area, variance = brute_force(scores, labels)
    assert ranking.area_under_curve(negatives, positives) == pytest.approx(area, abs=1e-14)
    assert ranking.delong_variance(negatives, positives) == pytest.approx(variance, rel=1e-12)


def test_procs_published_area_and_variance_of_the_asah_patients():
    # pROC's own tests (xrobin/pROC, tests/testthat/test-var.R and helper-deLongPlacementsCpp-expected.R):
    # 72 good and 41 poor outcomes of Turck et al. 2010 by WFNS grade 1-5.
    negatives, positives = np.array([37, 20, 3, 8, 4]), np.array([2, 12, 1, 8, 18])
    area, variance = (
        ranking.area_under_curve(negatives, positives),
        ranking.delong_variance(negatives, positives),
    )
    assert area == pytest.approx(0.823678861788618, abs=1e-14)
    assert variance == pytest.approx(0.00146991470882363, rel=1e-12)


def test_hanley_and_mcneil_1982_rating_data():
    # Hanley & McNeil 1982, Radiology 143, table I: ratings 1-5 of 58 normal and 51 abnormal CT images
    negatives, positives = np.array([33, 6, 6, 11, 2]), np.array([3, 2, 2, 11, 33])
    assert round(ranking.area_under_curve(negatives, positives), 3) == 0.893


def test_two_rows_give_0_half_or_1():
    assert ranking.area_under_curve(np.array([1, 0]), np.array([0, 1])) == 1.0
    assert ranking.area_under_curve(np.array([0, 1]), np.array([1, 0])) == 0.0
    assert ranking.area_under_curve(np.array([1]), np.array([1])) == 0.5


def test_two_normals_have_the_closed_form_area():
    rng = np.random.default_rng(3)
    distance, rows = 1.5, 200_000
    labels = np.repeat([0, 1], rows)
    _, negatives, positives = cells(rng.normal(size=2 * rows) + distance * labels, labels)
    area = ranking.area_under_curve(negatives, positives)
    error = math.sqrt(ranking.delong_variance(negatives, positives))
    assert abs(area - ndtr(distance / math.sqrt(2))) < 4 * error
    assert error < 0.001


def test_random_scores_have_an_interval_over_one_half():
    rng = np.random.default_rng(4)
    missed = 0
    for _ in range(400):
        labels = (rng.random(200) < 0.3).astype(int)
        _, negatives, positives = cells(rng.random(200), labels)
        interval = ranking.area_interval(
            ranking.area_under_curve(negatives, positives), ranking.delong_variance(negatives, positives), 50
        )
        missed += not interval.low <= 0.5 <= interval.high
    # 5 % of 400 is 20; more than 34 has probability 0.001
    assert 6 <= missed <= 34


def test_intervals_cover_a_high_area_in_small_samples():
    rng = np.random.default_rng(5)
    truth = float(ndtr(2.5 / math.sqrt(2)))
    missed = 0
    for _ in range(1_000):
        labels = np.repeat([0, 1], [30, 12])
        _, negatives, positives = cells(rng.normal(size=42) + 2.5 * labels, labels)
        interval = ranking.area_interval(
            ranking.area_under_curve(negatives, positives), ranking.delong_variance(negatives, positives), 12
        )
        missed += not interval.low <= truth <= interval.high
    # 5 % of 1,000 is 50; more than 73 has probability 0.001
    assert missed <= 73


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_variance_of_0_still_gives_an_interval(value):
    few, many = ranking.area_interval(value, 0.0, 5), ranking.area_interval(value, 0.0, 5_000)
    for interval in (few, many):
        assert 0 <= interval.low <= value <= interval.high <= 1
        assert interval.standard_error > 0
    assert few.high - few.low > 0.4
    assert many.high - many.low < 0.06


def test_a_perfect_area_is_bounded_by_the_exact_binomial():
    # 20 independent pairs all rightly ranked: Clopper-Pearson's lower limit for 20 of 20
    assert ranking.area_interval(1.0, 0.0, 20).low == pytest.approx(0.025 ** (1 / 20))


def test_clusters_of_one_row_give_delongs_variance():
    scores, labels = noisy(500, 6, digits=2)
    values, place = np.unique(scores, return_inverse=True)
    _, negatives, positives = cells(scores, labels)
    clustered = ranking.clustered_area_variance(place, labels == 1, np.arange(500), np.ones(500, int))
    assert clustered == pytest.approx(ranking.delong_variance(negatives, positives), rel=1e-9)
    assert values.size < 500


def test_repeating_every_row_leaves_the_clustered_variance_alone():
    scores, labels = noisy(300, 7)
    _, place = np.unique(scores, return_inverse=True)
    _, negatives, positives = cells(scores, labels)
    once = ranking.delong_variance(negatives, positives)
    fourfold = ranking.clustered_area_variance(
        np.tile(place, 4), np.tile(labels == 1, 4), np.tile(np.arange(300), 4), np.ones(1_200, int)
    )
    assert fourfold == pytest.approx(once, rel=1e-9)
    assert ranking.delong_variance(4 * negatives, 4 * positives) < once / 3.5


def test_the_binning_bound_holds_and_is_reached_by_a_single_bin():
    scores, labels = noisy(5_000, 8)
    _, negatives, positives = cells(scores, labels)
    _, coarse_negatives, coarse_positives = cells(np.floor(scores * 40), labels)
    gap = abs(
        ranking.area_under_curve(coarse_negatives, coarse_positives)
        - ranking.area_under_curve(negatives, positives)
    )
    bound = ranking.binning_error(coarse_negatives, coarse_positives)
    assert 0 < gap <= bound < 0.02
    assert ranking.binning_error(np.array([7]), np.array([3])) == 0.5


def test_average_precision_keeps_replicate_axes_and_skips_no_positives():
    negatives, positives = np.array([[1, 1, 0], [2, 0, 1]]), np.array([[0, 1, 1], [0, 0, 0]])
    values = ranking.average_precision(negatives, positives)
    # thresholds from above: precision 1 at recall 1/2, then 2/3 at recall 1
    assert values[0] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert math.isnan(values[1])


def test_roc_points_lie_on_scikit_learns_curve_and_keep_its_ends():
    scores, labels = noisy(4_000, 9, digits=3)
    curve = ranking.roc_curve(*cells(scores, labels), limit=100)
    x, y, threshold = sklearn_roc_curve(labels, scores, drop_intermediate=False)
    peer = {round(t, 12): (a, b) for a, b, t in zip(x, y, threshold, strict=True)}
    assert curve.x.size <= 100
    assert (curve.x[0], curve.y[0], curve.threshold[0]) == (0, 0, np.inf)
    assert (curve.x[-1], curve.y[-1]) == (1, 1)
    for a, b, t in zip(curve.x[1:], curve.y[1:], curve.threshold[1:], strict=True):
        assert (a, b) == pytest.approx(peer[round(t, 12)], abs=1e-12)


def test_precision_recall_points_lie_on_scikit_learns_curve():
    scores, labels = noisy(4_000, 10, digits=3)
    curve = ranking.precision_recall_curve(*cells(scores, labels), limit=100)
    precision, recall, threshold = precision_recall_curve(labels, scores)
    peer = {round(t, 12): (r, p) for r, p, t in zip(recall, precision, threshold, strict=False)}
    assert curve.x.size <= 100
    assert curve.x[-1] == 1
    for r, p, t in zip(curve.x, curve.y, curve.threshold, strict=True):
        assert (r, p) == pytest.approx(peer[round(t, 12)], abs=1e-12)
