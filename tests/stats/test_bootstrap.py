from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import stats

from assay.errors import BadInput
from assay.stats.bootstrap import cluster_bootstrap, multinomial_bootstrap, percentile_interval
from tests.stats.rows import row_bootstrap


def test_cell_replicates_have_the_mean_and_covariance_of_resampled_rows():
    counts = np.array([120, 0, 45, 300, 35])
    n, share = counts.sum(), counts / counts.sum()
    drawn = multinomial_bootstrap(counts, 40_000, np.random.default_rng(1))
    assert np.all(drawn.sum(axis=1) == n)
    assert np.all(drawn[:, 1] == 0)
    # closed form: mean n p, covariance n (diag(p) - p p'); 5 standard errors of the mean
    assert np.abs(drawn.mean(axis=0) - counts).max() < 5 * np.sqrt(counts.max() / 40_000)
    expected = n * (np.diag(share) - np.outer(share, share))
    np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.04 * expected.max())


def test_cell_replicates_are_distributed_like_row_replicates():
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 4, 200)
    counts = np.bincount(codes, minlength=4)
    from_cells = multinomial_bootstrap(counts, 4000, rng)
    from_rows = row_bootstrap(lambda c: np.bincount(c, minlength=4), [codes], 4000, rng)
    for cell in range(4):
        assert stats.ks_2samp(from_cells[:, cell], from_rows[:, cell]).pvalue > 1e-4


def test_cells_without_rows_stay_empty():
    assert np.all(multinomial_bootstrap([0, 0], 5, np.random.default_rng(1)) == 0)


def test_clusters_of_one_row_are_the_row_bootstrap():
    rng = np.random.default_rng(3)
    member = np.eye(3)[rng.integers(0, 3, 500)]
    counts = member.sum(axis=0)
    drawn = cluster_bootstrap(member, 20_000, rng)
    assert np.all(drawn.sum(axis=1) == 500)
    share = counts / 500
    np.testing.assert_allclose(drawn.var(axis=0), 500 * share * (1 - share), rtol=0.06)


def test_cluster_totals_vary_as_clusters_do_not_as_rows_do():
    """20 rows a cluster, all alike: the variance of the total is 20 times that of independent rows."""
    rng = np.random.default_rng(4)
    approved = rng.random(300) < 0.4
    drawn = cluster_bootstrap(20.0 * approved[:, None], 20_000, rng)[:, 0]
    share = approved.mean()
    assert drawn.mean() == pytest.approx(20 * approved.sum(), rel=0.01)
    assert drawn.var() == pytest.approx(20**2 * 300 * share * (1 - share), rel=0.06)


def test_a_hundred_thousand_clusters_fit_in_bounded_memory():
    sums = np.random.default_rng(5).random((100_000, 4))
    tracemalloc.start()
    totals = cluster_bootstrap(sums, 60, np.random.default_rng(6))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6
    error = sums.std(axis=0) * np.sqrt(100_000)
    assert np.all(np.abs(totals.mean(axis=0) - sums.sum(axis=0)) < 5 * error / np.sqrt(60))
    np.testing.assert_allclose(totals.std(axis=0), error, rtol=0.4)


def test_the_same_seed_gives_the_same_replicates():
    for draw in (
        lambda rng: multinomial_bootstrap([5, 9, 2], 50, rng),
        lambda rng: cluster_bootstrap(np.arange(12.0).reshape(6, 2), 50, rng),
    ):
        np.testing.assert_array_equal(draw(np.random.default_rng(1)), draw(np.random.default_rng(1)))


def test_percentiles_leave_undefined_replicates_out():
    values = np.random.default_rng(9).normal(size=(999, 3))
    values[::4, 1] = np.nan
    values[:, 2] = np.nan
    low, high = percentile_interval(values, 0.9)
    kept = values[~np.isnan(values[:, 1]), 1]
    np.testing.assert_allclose([low[1], high[1]], np.quantile(kept, [0.05, 0.95]))
    np.testing.assert_allclose([low[0], high[0]], np.quantile(values[:, 0], [0.05, 0.95]))
    assert np.isnan([low[2], high[2]]).all()


def test_percentiles_run_along_the_axis_asked_for():
    values = np.arange(202.0).reshape(2, 101)
    low, high = percentile_interval(values, 0.9, axis=1)
    np.testing.assert_allclose(low, [5, 106])
    np.testing.assert_allclose(high, [95, 196])


def test_impossible_requests_are_refused():
    rng = np.random.default_rng(1)
    for refused, words in (
        (lambda: multinomial_bootstrap([3, -1], 5, rng), "cannot hold -1"),
        (lambda: multinomial_bootstrap([3, 1], 0, rng), "At least 1"),
        (lambda: cluster_bootstrap(np.zeros((0, 3)), 5, rng), "Cluster sums"),
        (lambda: percentile_interval([1.0, 2.0], 1.0), "between 0 and 1"),
    ):
        with pytest.raises(BadInput, match=words):
            refused()
