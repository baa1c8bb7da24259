from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from assay.methods.performance.confusion import ConfusionCounts, confusion_statistics
from assay.stats.intervals import wilson_interval

BINARY = ("no", "yes")


def measured(matrix, classes=BINARY, favourable=1, blocks=None, replicates=2_000, seed=0):
    counts = ConfusionCounts(np.asarray(matrix), None if blocks is None else np.asarray(blocks))
    rng = np.random.default_rng(seed)
    found = counts.measure(confusion_statistics(classes, favourable), 0.95, replicates, rng)
    return {(f.statistic.id.removeprefix("performance."), *f.statistic.at.values()): f for f in found}


def rows(matrix):
    """Labels and predictions that give the confusion matrix."""
    cells = np.ndindex(*np.shape(matrix))
    pairs = np.repeat(list(cells), np.ravel(matrix), axis=0)
    return pairs[:, 0], pairs[:, 1]


def test_binary_measures_equal_scikit_learn():
    matrix = [[500, 120], [80, 300]]
    actual, predicted = rows(matrix)
    found = measured(matrix)
    for name, peer in (
        ("accuracy", metrics.accuracy_score),
        ("balanced_accuracy", metrics.balanced_accuracy_score),
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
        ("f1", metrics.f1_score),
        ("matthews_correlation", metrics.matthews_corrcoef),
    ):
        assert found[(name,)].value == pytest.approx(peer(actual, predicted), abs=1e-12)
    assert found[("specificity",)].value == pytest.approx(500 / 620)
    assert found[("base_rate",)].value == pytest.approx(0.38)
    assert found[("selection_rate",)].value == pytest.approx(0.42)


def test_multiclass_measures_equal_scikit_learn():
    matrix = np.array([[50, 3, 2], [4, 30, 6], [1, 9, 45]])
    actual, predicted = rows(matrix)
    found = measured(matrix, ("a", "b", "c"), None)
    assert found[("macro_f1",)].value == pytest.approx(metrics.f1_score(actual, predicted, average="macro"))
    assert found[("matthews_correlation",)].value == pytest.approx(
        metrics.matthews_corrcoef(actual, predicted), abs=1e-12
    )
    assert found[("balanced_accuracy",)].value == pytest.approx(
        metrics.balanced_accuracy_score(actual, predicted)
    )
    for code, name in enumerate("abc"):
        for measure, peer in (
            ("precision", metrics.precision_score),
            ("recall", metrics.recall_score),
            ("f1", metrics.f1_score),
        ):
            assert found[(measure, name)].value == pytest.approx(
                peer(actual, predicted, average=None)[code], abs=1e-12
            )
    assert ("base_rate",) not in found


def test_rates_carry_their_counts_and_wilson_limits():
    recall = measured([[500, 120], [80, 300]])[("recall",)]
    assert (recall.numerator, recall.denominator, recall.n) == (300, 380, 380)
    assert (recall.low, recall.high) == pytest.approx(wilson_interval(300, 380))
    assert recall.interval_method == "wilson"


def test_the_bootstrap_of_the_cells_has_the_spread_of_resampled_rows():
    matrix = np.array([[70, 15], [10, 25]])
    actual, predicted = rows(matrix)
    rng = np.random.default_rng(1)
    draws = rng.integers(0, 120, size=(2_000, 120))
    # for two classes the Matthews correlation is the correlation of the two columns
    by_row = [np.corrcoef(actual[d], predicted[d])[0, 1] for d in draws]
    found = measured(matrix, replicates=20_000)[("matthews_correlation",)]
    assert (found.low, found.high) == pytest.approx(np.quantile(by_row, [0.025, 0.975]), abs=0.02)


def test_f1_and_balanced_accuracy_intervals_cover():
    rng = np.random.default_rng(2)
    cells = np.array([0.62, 0.08, 0.06, 0.24])
    truth = {"f1": 0.48 / (0.48 + 0.14), "balanced_accuracy": (0.62 / 0.7 + 0.24 / 0.3) / 2}
    missed = dict.fromkeys(truth, 0)
    for drawn in rng.multinomial(80, cells, size=500):
        found = measured(drawn.reshape(2, 2), replicates=1_000)
        for name, value in truth.items():
            missed[name] += not found[(name,)].low <= value <= found[(name,)].high
    # 5 % of 500 is 25; more than 43 has probability 0.0003
    assert all(m <= 43 for m in missed.values())


@pytest.mark.parametrize("name", ["f1", "balanced_accuracy", "matthews_correlation", "accuracy"])
def test_a_perfect_classifier_keeps_room_for_error(name):
    few, many = measured([[12, 0], [0, 8]])[(name,)], measured([[12_000, 0], [0, 8_000]])[(name,)]
    assert few.value == many.value == 1
    assert few.high == many.high == 1
    assert few.low < 0.9
    assert many.low > 0.99


def test_predictions_without_one_class_leave_precision_and_correlation_undefined():
    found = measured([[60, 0], [40, 0]])
    assert found[("precision",)].value is None
    assert found[("precision",)].n == 0
    assert found[("matthews_correlation",)].value is None
    assert found[("recall",)].value == 0
    assert found[("balanced_accuracy",)].value == 0.5
    assert found[("balanced_accuracy",)].low < 0.5 < found[("balanced_accuracy",)].high


def test_a_class_that_occurs_nowhere_is_left_out_of_the_means():
    found = measured([[30, 5, 0], [4, 21, 0], [0, 0, 0]], ("a", "b", "c"), None)
    two = measured([[30, 5], [4, 21]])
    assert found[("balanced_accuracy",)].value == pytest.approx(two[("balanced_accuracy",)].value)
    assert found[("recall", "c")].value is None


def test_identical_rows_within_clusters_widen_the_intervals_as_if_they_were_one():
    rng = np.random.default_rng(3)
    single = rng.multinomial(1, [0.5, 0.12, 0.08, 0.3], size=300).reshape(300, 2, 2)
    once = measured(single.sum(axis=0), blocks=single, replicates=10_000)
    fivefold = measured(5 * single.sum(axis=0), blocks=5 * single, replicates=10_000)
    naive = measured(5 * single.sum(axis=0))
    for name in ("accuracy", "f1", "matthews_correlation"):
        width = once[(name,)].high - once[(name,)].low
        assert fivefold[(name,)].high - fivefold[(name,)].low == pytest.approx(width, rel=0.05)
        assert naive[(name,)].high - naive[(name,)].low < 0.55 * width


def test_few_or_faultless_clusters_do_not_collapse_the_interval():
    three = np.array([[[30, 5], [4, 21]], [[28, 6], [5, 20]], [[31, 4], [6, 19]]])
    accuracy = measured(three.sum(axis=0), blocks=three)[("accuracy",)]
    assert accuracy.high - accuracy.low > 0.3
    perfect = np.tile([[[3, 0], [0, 2]]], (20, 1, 1))
    assert measured(perfect.sum(axis=0), blocks=perfect)[("recall",)].low < 0.9
