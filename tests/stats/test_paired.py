"""Paired tests and intervals against published tables, their definitions, and simulated coverage."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from assay.errors import BadInput
from assay.stats.paired import (
    mcnemar,
    paired_areas,
    paired_mean_interval,
    smoothed_bootstrap,
)
from assay.stats.ranking import delong_variance
from tests.stats.rows import row_bootstrap


@pytest.mark.parametrize(
    ("lost", "gained", "exact", "mid_p"),
    [
        # Fagerland, Lydersen & Laake 2013: airway hyper-responsiveness (Bentur et al. 2009)
        (1, 7, 0.0703, 0.0391),
        # ... and complete response before and after consolidation therapy (Cavo et al. 2012)
        (6, 16, 0.0525, 0.0347),
    ],
)
def test_mcnemar_reproduces_the_published_examples(
    lost: int, gained: int, exact: float, mid_p: float
) -> None:
    assert mcnemar(lost, gained) == pytest.approx((exact, mid_p), abs=5e-5)
    assert mcnemar(gained, lost) == mcnemar(lost, gained)


def test_mcnemar_of_no_change_is_one_and_of_a_tie_follows_the_definition() -> None:
    assert mcnemar(0, 0) == (1.0, 1.0)
    # P(X = 1) of Binomial(2, 1/2) is 1/2, and the mid-p of a tie takes half of it off
    assert mcnemar(1, 1) == (1.0, 0.75)
    with pytest.raises(BadInput, match="negative"):
        mcnemar(-1, 2)


def _scores(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.random(rows) < 0.4
    common = rng.normal(size=rows)
    first = (positive + common + rng.normal(size=rows)).round(1)
    return first, (0.8 * positive + common + rng.normal(size=rows)).round(1), positive


def test_delongs_covariance_equals_its_definition_over_all_pairs() -> None:
    first, second, positive = _scores(120, 3)
    found = paired_areas(first, second, positive)
    kernels = [
        (s[positive][:, None] > s[~positive][None, :]) + 0.5 * (s[positive][:, None] == s[~positive][None, :])
        for s in (first, second)
    ]
    over_negatives = np.cov([k.mean(axis=1) for k in kernels]) / positive.sum()
    over_positives = np.cov([k.mean(axis=0) for k in kernels]) / (~positive).sum()
    np.testing.assert_allclose(found.covariance, over_negatives + over_positives, rtol=1e-10)
    expected = [roc_auc_score(positive, s) for s in (first, second)]
    assert (found.first, found.second) == pytest.approx(expected, abs=1e-12)


def test_delongs_variance_of_one_score_is_that_of_its_cells() -> None:
    first, second, positive = _scores(200, 4)
    values, place = np.unique(first, return_inverse=True)
    cells = [np.bincount(place, weights, values.size) for weights in (~positive, positive)]
    found = paired_areas(first, second, positive)
    assert found.covariance[0, 0] == pytest.approx(delong_variance(cells[0], cells[1]), rel=1e-10)


def test_scores_that_rank_alike_leave_no_point_for_an_interval() -> None:
    first, _, positive = _scores(80, 5)
    found = paired_areas(first, 3 * first + 1, positive)
    assert found.change == 0
    assert found.p_value == 1.0
    pairs = min(int(positive.sum()), int((~positive).sum()))
    reach = 1 - 0.025 ** (1 / pairs)
    assert found.change_interval() == pytest.approx((-reach, reach))


def test_delongs_interval_covers_the_difference_of_correlated_areas() -> None:
    # binormal: AUC = Phi(d / sqrt(2 + 2 s^2)) with common noise of variance 1 and own noise of variance 1
    from scipy.special import ndtr

    truth = ndtr(0.8 / 2) - ndtr(1.0 / 2)
    rng = np.random.default_rng(6)
    held = 0
    for _ in range(400):
        positive = np.arange(150) < 60
        common = rng.normal(size=150)
        first = positive + common + rng.normal(size=150)
        second = 0.8 * positive + common + rng.normal(size=150)
        low, high = paired_areas(first, second, positive).change_interval()
        held += low <= truth <= high
    assert 0.92 <= held / 400 <= 0.98


def test_clusters_that_repeat_their_rows_double_the_variance_back() -> None:
    first, second, positive = _scores(150, 7)
    single = paired_areas(first, second, positive)
    cluster = np.repeat(np.arange(150), 2)
    repeated = (np.repeat(a, 2) for a in (first, second, positive))
    doubled = paired_areas(*repeated, cluster)  # type: ignore[arg-type]
    # every row twice in one cluster tells what the row told: the same up to n/(n - 1) factors
    np.testing.assert_allclose(doubled.covariance, single.covariance, rtol=0.03)


def test_joint_cells_resample_both_runs_as_rows_do() -> None:
    rng = np.random.default_rng(8)
    first, second = rng.random(300) < 0.6, rng.random(300) < 0.5
    second[:150] = first[:150]
    joint = np.bincount(first * 2 + second, minlength=4)
    drawn = smoothed_bootstrap(joint, np.zeros(4), 20_000, rng)
    changes = (drawn[:, 1] - drawn[:, 2]) / 300
    rows = row_bootstrap(lambda a, b: b.mean() - a.mean(), [first, second], 4_000, rng)
    assert changes.mean() == pytest.approx(rows.mean(), abs=0.002)
    assert changes.std() == pytest.approx(rows.std(), rel=0.05)


def test_pseudo_rows_give_bonett_and_prices_spread_where_no_row_changed() -> None:
    # Bonett & Price 2012: (b + 1)/(n + 2) and (c + 1)/(n + 2), here b = c = 0 and n = 50
    drawn = smoothed_bootstrap([40, 0, 0, 10], [0, 1, 1, 0], 40_000, np.random.default_rng(9))
    changes = (drawn[:, 1] - drawn[:, 2]) / 52
    assert changes.std() == pytest.approx(np.sqrt(2 / 52) / np.sqrt(52), rel=0.03)
    assert (drawn.sum(axis=1) == 52).all()


def test_the_paired_mean_is_students_interval() -> None:
    # Student 1908: extra hours of sleep by two drugs on ten patients; 95 % interval .70 to 2.46 (R's t.test)
    first = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    second = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    interval = paired_mean_interval(second - first)
    assert interval is not None
    assert interval == pytest.approx((0.7001142, 2.4598858), abs=1e-6)


def test_a_mean_without_spread_has_no_interval() -> None:
    assert paired_mean_interval(np.zeros(10)) is None
    assert paired_mean_interval(np.array([1.0])) is None
    assert paired_mean_interval(np.array([1.0, 2.0]), cluster=np.array([0, 0])) is None
