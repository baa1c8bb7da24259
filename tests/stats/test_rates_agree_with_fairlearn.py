"""What the bootstrap benchmark compares must be the same thing on both sides."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame

from assay.stats.bootstrap import multinomial_bootstrap
from benchmarks.bootstrap import (
    RATES,
    Rows,
    adult,
    fairlearn_metrics,
    group_counts,
    group_rates,
    plain_metrics,
    synthetic,
)


def assert_rates_equal_fairlearns(rows: Rows, metrics: dict[str, Callable[..., float]]) -> None:
    counts = group_counts(rows)
    sides = {
        "sex": {"sex": rows.sex},
        "race": {"race": rows.race},
        "race × sex": {"race": rows.race, "sex": rows.sex},
    }
    for over, features in sides.items():
        frame = MetricFrame(
            metrics=fairlearn_metrics(),
            y_true=rows.label,
            y_pred=rows.prediction,
            sensitive_features=features,
        )
        # by_group comes sorted by race, then sex: the order of our cells
        ours = group_rates(counts[over])
        assert ours.shape == frame.by_group.shape
        np.testing.assert_allclose(
            ours, frame.by_group[list(RATES)].to_numpy(dtype=float), rtol=0, atol=1e-15
        )


def test_group_rates_equal_metricframe_on_synthetic_rows():
    for metrics in (fairlearn_metrics(), plain_metrics()):
        assert_rates_equal_fairlearns(synthetic(rows=3000), metrics)


def test_group_rates_equal_metricframe_on_adult():
    rows = adult()
    if rows is None:
        pytest.skip("ASSAY_REAL_DATA names no folder with adult/adults_openml_48842.parquet")
    assert_rates_equal_fairlearns(rows, plain_metrics())
    # UCI Adult, all 48,842 rows: 30.377 % of men and 10.925 % of women earn more than 50K
    base = group_rates(group_counts(rows)["sex"])[:, list(RATES).index("base_rate")]
    assert base == pytest.approx([0.10925, 0.30377], abs=5e-6)


def test_cell_bootstrap_spreads_group_rates_as_fairlearns_does():
    rows = synthetic(rows=1500)
    frame = MetricFrame(
        metrics={"selection_rate": fairlearn_metrics()["selection_rate"]},
        y_true=rows.label,
        y_pred=rows.prediction,
        sensitive_features={"sex": rows.sex},
        n_boot=150,
        ci_quantiles=[0.16, 0.84],
        random_state=1,
    )
    theirs = np.array([quantile.to_numpy(dtype=float)[:, 0] for quantile in frame.by_group_ci])
    cells = np.bincount(rows.sex * 2 + rows.prediction, minlength=4)
    drawn = multinomial_bootstrap(cells, 20_000, np.random.default_rng(2)).reshape(-1, 2, 2)
    ours = np.quantile(drawn[:, :, 1] / drawn.sum(axis=2), [0.16, 0.84], axis=0)
    # a quantile of 150 replicates is off by about .12 of the spread: allow four times that
    np.testing.assert_allclose(ours, theirs, atol=float(4 * 0.12 * np.ptp(ours, axis=0).max() / 2))
