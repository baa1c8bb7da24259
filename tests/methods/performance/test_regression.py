from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from assay.errors import BadParams
from assay.evidence import digest
from assay.execution import run_method
from assay.methods.performance.regression import METHOD
from assay.methods.performance.regression_errors import error_columns, error_estimates
from assay.stats.moments import Moments
from tests.support import table_subject


def rows(count, seed, *, noise=1.0, bias=0.0):
    rng = np.random.default_rng(seed)
    prediction = rng.normal(50, 3, count)
    return prediction - bias + rng.normal(0, noise, count), prediction


def subject(folder, label, prediction, **more):
    columns = {"y": label, "yhat": prediction}
    cluster = more.pop("cluster", None)
    if cluster is not None:
        columns["site"] = cluster
        more["cluster"] = "site"
    return table_subject(folder, columns, label="y", predictions="yhat", task="regression", **more)


def measures(result):
    return {m.id.removeprefix("performance."): m for m in result.measures}


def test_values_equal_scikit_learn(tmp_path):
    label, prediction = rows(1_500, 1)
    found = measures(run_method(METHOD, subject(tmp_path, label, prediction)))
    for name, expected in (
        ("mean_absolute_error", metrics.mean_absolute_error(label, prediction)),
        ("root_mean_squared_error", metrics.root_mean_squared_error(label, prediction)),
        ("r_squared", metrics.r2_score(label, prediction)),
        ("mean_error", (prediction - label).mean()),
    ):
        assert found[name].value == pytest.approx(expected, rel=1e-10)
        assert found[name].low < found[name].value < found[name].high


def test_the_mean_error_has_students_interval(tmp_path):
    # closed form: mean +- t(n - 1) s / sqrt(n), t(9, .975) = 2.262157 (Student's table)
    label = np.arange(10.0)
    errors = np.array([1, -2, 0.5, 3, -1, 0, 2, -0.5, 1.5, 0.5])
    found = measures(run_method(METHOD, subject(tmp_path, label, label + errors)))["mean_error"]
    half = 2.262157 * errors.std(ddof=1) / np.sqrt(10)
    assert (found.low, found.high) == pytest.approx((errors.mean() - half, errors.mean() + half), rel=1e-6)


def test_intervals_cover_the_true_values():
    # label = prediction + noise: E|e| = s sqrt(2 / pi), RMSE = s, R2 = 1 - s^2 / (9 + s^2), mean error 0
    noise, count = 2.0, 120
    truth = {
        "performance.mean_absolute_error": noise * np.sqrt(2 / np.pi),
        "performance.root_mean_squared_error": noise,
        "performance.r_squared": 1 - noise**2 / (9 + noise**2),
        "performance.mean_error": 0.0,
    }
    missed = dict.fromkeys(truth, 0)
    for seed in range(500):
        moments = Moments.of(error_columns(*rows(count, seed, noise=noise), 50.0))
        for name, _, low, high in error_estimates(moments, moments.covariance_of_mean, 1.98):
            missed[name] += not low <= truth[name] <= high
    # 5 % of 500 is 25; more than 43 has probability 0.0003, fewer than 8 less than 0.0001
    assert all(8 <= m <= 43 for m in missed.values()), missed


def test_intervals_do_not_depend_on_where_the_label_is_centred():
    label, prediction = rows(200, 10)
    near, far = (Moments.of(error_columns(label, prediction, centre)) for centre in (50.0, 20.0))
    for one, other in zip(
        error_estimates(near, near.covariance_of_mean, 2.0),
        error_estimates(far, far.covariance_of_mean, 2.0),
        strict=True,
    ):
        assert one[1:] == pytest.approx(other[1:], rel=1e-6)


def test_a_biased_model_is_found(tmp_path):
    found = measures(run_method(METHOD, subject(tmp_path, *rows(1_000, 2, bias=0.5))))
    assert found["mean_error"].low > 0.3


def test_an_unbiased_model_raises_no_alarm(tmp_path):
    found = measures(run_method(METHOD, subject(tmp_path, *rows(1_000, 3))))
    assert found["mean_error"].low < 0 < found["mean_error"].high
    assert found["r_squared"].low > 0.85


def test_another_sharding_agrees(tmp_path):
    data = subject(tmp_path, *rows(3_000, 4))
    whole, pieces = (measures(run_method(METHOD, data, shard_rows=size)) for size in (None, 170))
    for name, measure in whole.items():
        for side in ("value", "low", "high"):
            assert getattr(pieces[name], side) == pytest.approx(getattr(measure, side), rel=1e-9)


def test_the_same_run_gives_the_same_digest(tmp_path):
    data = subject(tmp_path, *rows(400, 5))
    assert digest(run_method(METHOD, data)) == digest(run_method(METHOD, data))


def test_copied_rows_in_clusters_do_not_narrow_the_intervals(tmp_path):
    label, prediction = rows(300, 6)
    (tmp_path / "one").mkdir()
    (tmp_path / "five").mkdir()
    alone = measures(run_method(METHOD, subject(tmp_path / "one", label, prediction)))
    copied = subject(
        tmp_path / "five",
        np.tile(label, 5),
        np.tile(prediction, 5),
        cluster=[f"s{i}" for i in range(300)] * 5,
    )
    clustered = measures(run_method(METHOD, copied))
    for name, measure in alone.items():
        assert clustered[name].value == pytest.approx(measure.value, rel=1e-9)
        width = clustered[name].high - clustered[name].low
        assert width == pytest.approx(measure.high - measure.low, rel=0.02)


def test_a_perfect_model_has_no_made_up_interval(tmp_path):
    label, _ = rows(50, 7)
    found = measures(run_method(METHOD, subject(tmp_path, label, label)))
    assert found["mean_absolute_error"].value == 0
    assert found["mean_absolute_error"].low is None
    assert found["r_squared"].value == 1
    assert "no interval" in found["r_squared"].note


def test_residuals_show_where_the_model_errs(tmp_path):
    rng = np.random.default_rng(8)
    prediction = rng.uniform(0, 10, 5_000)
    label = prediction - np.where(prediction > 8, 2.0, 0.0) + rng.normal(0, 0.5, 5_000)
    (curve,) = run_method(METHOD, subject(tmp_path, label, prediction)).series
    columns = {c.name: np.array(c.values, dtype=float) for c in curve.columns}
    high = columns["mean_prediction"] > 8.2
    assert columns["n"].sum() == 5_000
    assert np.all(columns["low"][high] > 1.5)
    assert np.all(columns["high"][columns["mean_prediction"] < 7.8] < 0.3)


@pytest.mark.parametrize("params", [{"level": 0.2}, {"residual_bins": 1}, {"surprise": 1}])
def test_bad_params_are_refused(tmp_path, params):
    with pytest.raises(BadParams):
        run_method(METHOD, subject(tmp_path, *rows(20, 9)), params)
