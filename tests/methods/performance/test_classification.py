from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from assay.errors import BadParams
from assay.evidence import digest
from assay.execution import run_method
from assay.methods.performance.classification import METHOD
from tests.stats.score_data import noisy
from tests.support import table_subject


def subject(folder, scores, labels, **more):
    columns = {"label": np.where(labels == 1, "good", "bad"), "p": scores}
    cluster = more.pop("cluster", None)
    if cluster is not None:
        columns["patient"] = cluster
        more["cluster"] = "patient"
    return table_subject(folder, columns, label="label", scores="p", favourable="good", **more)


def measures(result):
    return {(m.id.removeprefix("performance."), *m.at.values()): m for m in result.measures}


def series(result):
    return {s.id: {c.name: c.values for c in s.columns} for s in result.series}


def test_scores_and_decisions_equal_scikit_learn(tmp_path):
    scores, labels = noisy(3_000, 1)
    found = measures(run_method(METHOD, subject(tmp_path, scores, labels)))
    chosen = (scores >= 0.5).astype(int)
    for name, expected in (
        ("auc", metrics.roc_auc_score(labels, scores)),
        ("average_precision", metrics.average_precision_score(labels, scores)),
        ("brier_score", metrics.brier_score_loss(labels, scores)),
        ("log_loss", metrics.log_loss(labels, scores)),
        ("f1", metrics.f1_score(labels, chosen)),
        ("matthews_correlation", metrics.matthews_corrcoef(labels, chosen)),
        ("accuracy", metrics.accuracy_score(labels, chosen)),
    ):
        # published values are rounded to 12 significant digits
        assert found[(name,)].value == pytest.approx(expected, rel=1e-11)


def test_every_measured_value_lies_in_its_interval(tmp_path):
    result = run_method(METHOD, subject(tmp_path, *noisy(800, 2)))
    for measure in result.measures:
        assert measure.status == "measured"
        assert measure.low <= measure.value <= measure.high
        assert measure.level == 0.95


def test_random_scores_keep_one_half_in_the_interval_of_the_auc(tmp_path):
    rng = np.random.default_rng(3)
    found = measures(run_method(METHOD, subject(tmp_path, rng.random(2_000), rng.integers(0, 2, 2_000))))
    assert found[("auc",)].low < 0.5 < found[("auc",)].high
    assert found[("auc",)].high - found[("auc",)].low < 0.06


def test_calibrated_probabilities_raise_no_alarm(tmp_path):
    rng = np.random.default_rng(4)
    scores = rng.random(5_000)
    found = measures(run_method(METHOD, subject(tmp_path, scores, (rng.random(5_000) < scores).astype(int))))
    assert found[("calibration_slope",)].low < 1 < found[("calibration_slope",)].high
    assert found[("calibration_intercept",)].low < 0 < found[("calibration_intercept",)].high
    assert found[("calibration_error",)].low < 0.005


def test_squared_probabilities_are_found_miscalibrated(tmp_path):
    rng = np.random.default_rng(5)
    truth = rng.random(5_000)
    labels = (rng.random(5_000) < truth).astype(int)
    found = measures(run_method(METHOD, subject(tmp_path, truth**2, labels)))
    assert found[("calibration_slope",)].high < 0.9
    assert found[("calibration_error",)].low > 0.1


def test_another_sharding_gives_the_same_counts_and_values(tmp_path):
    data = subject(tmp_path, *noisy(5_000, 6))
    whole, pieces = run_method(METHOD, data), run_method(METHOD, data, shard_rows=700)
    assert digest(whole) == digest(pieces)


def test_the_same_seed_gives_the_same_digest_and_another_seed_another_bootstrap(tmp_path):
    data = subject(tmp_path, *noisy(500, 7))
    first, again, other = (run_method(METHOD, data, seed=seed) for seed in (1, 1, 2))
    assert digest(first) == digest(again)
    assert digest(first) != digest(other)
    assert measures(first)[("auc",)] == measures(other)[("auc",)]


def test_binned_scores_state_their_error_and_keep_to_it(tmp_path):
    data = subject(tmp_path, *noisy(20_000, 8))
    exact = measures(run_method(METHOD, data))
    result = run_method(METHOD, data, {"exact_rows": 0, "score_bins": 512}, shard_rows=6_000)
    binned = measures(result)
    bound = float(binned[("auc",)].note.split("at most ")[1].split(" off")[0])
    assert abs(binned[("auc",)].value - exact[("auc",)].value) <= bound < 0.002
    for name in ("brier_score", "log_loss"):
        assert binned[(name,)].value == pytest.approx(exact[(name,)].value, rel=1e-11)
        assert binned[(name,)].high == pytest.approx(exact[(name,)].high, rel=1e-9)
    for name in ("average_precision", "calibration_error", "calibration_slope"):
        assert binned[(name,)].value == pytest.approx(exact[(name,)].value, rel=0.01)
    assert binned[("f1",)] == exact[("f1",)]
    assert "bins" in result.notes[0]


def test_clusters_widen_what_copied_rows_would_narrow(tmp_path):
    scores, labels = noisy(300, 9)
    (tmp_path / "one").mkdir()
    (tmp_path / "four").mkdir()
    alone = measures(run_method(METHOD, subject(tmp_path / "one", scores, labels)))
    patients = [f"p{i}" for i in range(300)] * 4
    fourfold = subject(tmp_path / "four", np.tile(scores, 4), np.tile(labels, 4), cluster=patients)
    clustered = measures(run_method(METHOD, fourfold))
    for (name, *_), measure in alone.items():
        other = clustered[(name,)]
        assert other.value == pytest.approx(measure.value, rel=0.05)
        assert other.high - other.low > 0.8 * (measure.high - measure.low)


def test_a_perfect_ranking_is_bounded_below_one(tmp_path):
    scores = np.linspace(0, 1, 60)
    found = measures(run_method(METHOD, subject(tmp_path, scores, (scores > 0.5).astype(int))))
    assert found[("auc",)].value == 1
    assert found[("auc",)].low == pytest.approx(0.025 ** (1 / 30))
    assert found[("calibration_slope",)].status == "insufficient"
    assert "separated" in found[("calibration_slope",)].note


def test_curves_end_where_they_must(tmp_path):
    curves = series(run_method(METHOD, subject(tmp_path, *noisy(3_000, 10))))
    roc, thresholds, reliability = (
        curves[f"performance.{name}"] for name in ("roc", "thresholds", "reliability")
    )
    assert (roc["false_positive_rate"][0], roc["true_positive_rate"][0], roc["threshold"][0]) == (0, 0, None)
    assert (roc["false_positive_rate"][-1], roc["true_positive_rate"][-1]) == (1, 1)
    assert len(roc["threshold"]) <= 400
    assert thresholds["selection_rate"][0] == 1
    assert thresholds["threshold"][50] == 0.5
    assert sum(reliability["n"]) == 3_000
    assert all(
        low <= rate <= high
        for low, rate, high in zip(
            reliability["low"], reliability["observed_rate"], reliability["high"], strict=True
        )
    )
    assert sum(curves["performance.confusion"]["count"]) == 3_000
    assert max(curves["performance.precision_recall"]["recall"]) == 1


def test_the_threshold_curve_agrees_with_the_decisions(tmp_path):
    scores, labels = noisy(2_000, 11)
    result = run_method(METHOD, subject(tmp_path, scores, labels))
    curve, found = series(result)["performance.thresholds"], measures(result)
    assert curve["selection_rate"][50] == pytest.approx(found[("selection_rate",)].value)
    assert curve["true_positive_rate"][50] == pytest.approx(found[("recall",)].value)
    assert curve["precision"][50] == pytest.approx(found[("precision",)].value)


def test_scores_outside_0_to_1_are_ranked_but_not_read_as_probabilities(tmp_path):
    scores, labels = noisy(500, 12)
    result = run_method(METHOD, subject(tmp_path, scores * 10, labels, threshold=5.0))
    found = measures(result)
    assert found[("auc",)].value == pytest.approx(metrics.roc_auc_score(labels, scores), rel=1e-11)
    assert ("brier_score",) not in found
    assert "performance.reliability" not in series(result)


def test_labels_of_three_classes_are_measured_class_by_class(tmp_path):
    rng = np.random.default_rng(13)
    actual = rng.choice(["cat", "cow", "dog"], 600)
    guess = np.where(rng.random(600) < 0.7, actual, rng.choice(["cat", "cow", "dog"], 600))
    data = table_subject(tmp_path, {"animal": actual, "guess": guess}, label="animal", predictions="guess")
    result = run_method(METHOD, data)
    found = measures(result)
    assert found[("macro_f1",)].value == pytest.approx(
        metrics.f1_score(actual, guess, average="macro"), rel=1e-11
    )
    assert found[("precision", "cow")].value == pytest.approx(
        metrics.precision_score(actual, guess, labels=["cow"], average=None)[0], rel=1e-11
    )
    assert len(series(result)["performance.confusion"]["count"]) == 9
    assert ("auc",) not in found


@pytest.mark.parametrize("params", [{"level": 1.0}, {"replicates": 10}, {"calibration_bins": 1}, {"bins": 3}])
def test_bad_params_are_refused(tmp_path, params):
    with pytest.raises(BadParams):
        run_method(METHOD, subject(tmp_path, *noisy(50, 14)), params)
