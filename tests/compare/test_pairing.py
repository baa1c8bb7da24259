"""Two runs on the same rows are compared row by row, and only where the rows are what was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assay.annex import RunRows
from assay.compare import Pairing, compare, pairing_of
from assay.contracts import Comparison, Evidence
from assay.stats.paired_rates import tango_difference
from tests.compare.two_runs import applicants, measured

Run = tuple[Evidence, RunRows]


def squashed(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """A score that favours men, and one that does so less."""
    folder = tmp_path_factory.mktemp("runs")
    columns, merit, female = applicants(2_000)
    first = measured(folder / "a", columns, squashed(merit + 0.6 * ~female - 0.3))
    second = measured(folder / "b", columns, squashed(merit + 0.2 * ~female - 0.1))
    return first, second


@pytest.fixture(scope="module")
def compared(runs: tuple[Run, Run]) -> dict[tuple[str, str], Comparison]:
    (before, a), (after, b) = runs
    report = compare(before, after, pairing_of(before, after, a, b))
    return {(c.id, "".join(c.slice.values())): c for c in report.comparisons}


def test_accuracy_has_tangos_interval_and_mcnemars_p(
    runs: tuple[Run, Run], compared: dict[tuple[str, str], Comparison]
) -> None:
    (_, a), (_, b) = runs
    assert a.label is not None
    right = a.prediction == a.label, b.prediction == b.label
    lost, gained = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
    found = compared["performance.accuracy", ""]
    assert (found.low, found.high) == pytest.approx(tuple(tango_difference(gained, lost, 2_000)))
    assert found.interval_method == "paired, tango score"
    assert f"{lost:,} rows were right before only" in (found.note or "")
    assert "McNemar" in (found.note or "")


@pytest.mark.parametrize(
    ("name", "group", "method"),
    [
        ("performance.auc", "", "paired, delong"),
        ("performance.brier_score", "", "paired, student t"),
        ("performance.log_loss", "", "paired, student t"),
        ("performance.recall", "", "paired, tango score"),
        ("performance.specificity", "", "paired, tango score"),
        ("performance.precision", "", "paired, joint-cell bootstrap 10,000"),
        ("performance.f1", "", "paired, joint-cell bootstrap 10,000"),
        ("performance.matthews_correlation", "", "paired, joint-cell bootstrap 10,000"),
        ("performance.balanced_accuracy", "", "paired, joint-cell bootstrap 10,000"),
        ("performance.average_precision", "", "unpaired, MOVER"),
        ("performance.calibration_slope", "", "unpaired, MOVER"),
        ("fairness.true_positive_rate", "f", "paired, tango score"),
        ("fairness.positive_predictive_value", "f", "paired, joint-cell bootstrap 10,000"),
        ("fairness.selection_rate_ratio", "f", "paired, joint-cell bootstrap 10,000"),
        ("fairness.true_positive_rate_difference", "m", "paired, joint-cell bootstrap 10,000"),
        ("fairness.auc", "f", "paired, delong"),
        ("fairness.brier_score", "m", "paired, student t"),
    ],
)
def test_every_measure_says_how_it_was_compared(
    compared: dict[tuple[str, str], Comparison], name: str, group: str, method: str
) -> None:
    assert compared[name, group].interval_method == method


def test_paired_intervals_are_narrower_than_those_of_independent_rows(
    runs: tuple[Run, Run], compared: dict[tuple[str, str], Comparison]
) -> None:
    (before, _), (after, _) = runs
    apart = {(c.id, "".join(c.slice.values())): c for c in compare(before, after).comparisons}
    narrower = 0
    for key, found in compared.items():
        other = apart[key]
        if found.interval_method.startswith("paired"):
            assert found.change == pytest.approx(other.change, abs=1e-9), key
            assert None not in (found.low, found.high, other.low, other.high)
            ratio = (found.high - found.low) / (other.high - other.low)  # type: ignore[operator]
            assert ratio < 1.0, key
            narrower += ratio < 0.7
    assert narrower > 20


def test_the_planted_improvement_is_found_paired_and_not_unpaired(
    runs: tuple[Run, Run], compared: dict[tuple[str, str], Comparison]
) -> None:
    found = compared["fairness.selection_rate_ratio", "f"]
    assert found.reading == "better"
    assert found.low is not None
    assert found.low > 0.05


def test_rows_in_another_order_of_another_file_are_paired(
    runs: tuple[Run, Run], tmp_path: Path, compared: dict[tuple[str, str], Comparison]
) -> None:
    columns, merit, female = applicants(2_000)
    order = np.random.default_rng(3).permutation(2_000)
    shuffled = {name: [values[i] for i in order] for name, values in columns.items()}
    score = squashed(merit + 0.2 * ~female - 0.1)[order]
    after, b = measured(tmp_path, shuffled, score)
    before, a = runs[0]
    pairing = pairing_of(before, after, a, b)
    assert isinstance(pairing, Pairing)
    assert pairing.rows.sentence.startswith("2,000 of 2,000 rows are paired:")
    found = {(c.id, "".join(c.slice.values())): c for c in compare(before, after, pairing).comparisons}
    for key in (("performance.accuracy", ""), ("performance.auc", "")):
        assert (found[key].low, found[key].high) == pytest.approx((compared[key].low, compared[key].high))


def test_a_few_lost_rows_leave_the_pairing_and_are_counted(runs: tuple[Run, Run], tmp_path: Path) -> None:
    columns, merit, female = applicants(2_000)
    kept = {name: list(values[:1_950]) for name, values in columns.items()}
    after, b = measured(tmp_path, kept, squashed(merit + 0.2 * ~female - 0.1)[:1_950])
    before, a = runs[0]
    pairing = pairing_of(before, after, a, b)
    assert isinstance(pairing, Pairing)
    assert "1,950 of 2,000 rows are paired (50 are in one run only and left out)" in pairing.rows.sentence
    report = compare(before, after, pairing)
    (accuracy,) = [c for c in report.comparisons if c.id == "performance.accuracy"]
    assert "On 1,950 of 2,000 rows." in (accuracy.note or "")
    assert accuracy.interval_method == "paired, tango score"


def test_other_rows_are_not_paired_and_it_is_said(runs: tuple[Run, Run], tmp_path: Path) -> None:
    columns, merit, _ = applicants(2_000, seed=9)
    columns = {**columns, "number": list(range(5_000, 7_000))}
    after, b = measured(tmp_path, columns, squashed(merit))
    before, a = runs[0]
    why = pairing_of(before, after, a, b)
    assert isinstance(why, str)
    assert why.startswith("Only 0 of 2,000 rows are in both runs")
    report = compare(before, after, why)
    assert why in report.statements
    assert all(not c.interval_method.startswith("paired") for c in report.comparisons)


def test_an_erased_annex_is_said(runs: tuple[Run, Run]) -> None:
    (before, _), (after, b) = runs
    why = pairing_of(before, after, None, b)
    assert why == "The row-level results of the first run are not kept in this installation."


def test_rows_that_do_not_give_the_measured_values_are_not_used(runs: tuple[Run, Run]) -> None:
    (before, a), (after, b) = runs
    assert b.prediction is not None
    forged = replace(b, prediction=1 - b.prediction)
    report = compare(before, after, pairing_of(before, after, a, forged))
    (accuracy,) = [c for c in report.comparisons if c.id == "performance.accuracy"]
    assert accuracy.interval_method == "unpaired, MOVER"


def test_labels_that_differ_are_not_paired(runs: tuple[Run, Run]) -> None:
    (before, a), (after, b) = runs
    assert b.label is not None
    why = pairing_of(before, after, a, replace(b, label=1 - b.label))
    assert why == "The labels of the common rows differ between the runs, so rows are not paired."


def test_clustered_rows_are_resampled_by_cluster(tmp_path: Path) -> None:
    columns, merit, female = applicants(900)
    columns = {**columns, "person": [f"p{i // 3}" for i in range(900)]}
    methods = ("performance.classification", "fairness.group_rates")
    first = measured(tmp_path / "a", columns, squashed(merit), methods=methods, cluster="person")
    second = measured(
        tmp_path / "b", columns, squashed(merit - 0.5 * female), methods=methods, cluster="person"
    )
    report = compare(first[0], second[0], pairing_of(first[0], second[0], first[1], second[1]))
    methods_used = {
        c.id: c.interval_method for c in report.comparisons if not c.slice or c.slice == {"sex": "f"}
    }
    assert methods_used["performance.accuracy"] == "paired, cluster bootstrap 2,000"
    assert methods_used["performance.auc"] == "paired, delong"
    assert methods_used["performance.brier_score"] == "paired, student t, clusters"
    assert methods_used["fairness.true_positive_rate"] == "paired, cluster bootstrap 2,000"
