"""Rules on a measure of its own: inside, beyond, undecided."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.policy.builders import fact, measure, rate, score, verdict, verdicts

ACCURACY = 'measure = "performance.accuracy"\nminimum = 0.7\ntarget_minimum = 0.8'
SLOPE = 'measure = "performance.calibration_slope"\nminimum = 0.8\nmaximum = 1.2'


@pytest.mark.parametrize(
    ("successes", "outcome"),
    [
        (900, "pass"),
        (760, "warn"),
        (800, "warn"),
        (700, "insufficient"),
        (720, "insufficient"),
        (600, "fail"),
    ],
)
def test_the_whole_interval_decides(successes: int, outcome: str) -> None:
    assert verdict([rate("performance.accuracy", successes, 1000)], ACCURACY).outcome == outcome


def test_an_interval_that_touches_the_limit_is_inside() -> None:
    auc = measure("performance.auc", 0.8, low=0.7, high=0.9, level=0.95, interval_method="delong")
    assert verdict([auc], 'measure = "performance.auc"\nminimum = 0.7').outcome == "pass"
    assert verdict([auc], 'measure = "performance.auc"\nminimum = 0.91').outcome == "fail"
    assert verdict([auc], 'measure = "performance.auc"\nminimum = 0.9').outcome == "insufficient"


@pytest.mark.parametrize(
    ("value", "error", "outcome"),
    [
        (1.0, 0.05, "pass"),
        (1.4, 0.05, "fail"),
        (0.5, 0.1, "fail"),
        (1.15, 0.05, "insufficient"),
        (1.0, 0.5, "insufficient"),
    ],
)
def test_a_band_holds_on_both_sides(value: float, error: float, outcome: str) -> None:
    assert verdict([score("performance.calibration_slope", value, error)], SLOPE).outcome == outcome


def test_exact_facts_are_judged_as_their_value() -> None:
    rule = 'measure = "data_quality.rows"\nminimum = 442\ntarget_minimum = 500'
    warned = verdict([fact("data_quality.rows", 442, n=442)], rule)
    assert warned.outcome == "warn"
    assert (warned.low, warned.high) == (None, None)
    assert verdict([fact("data_quality.rows", 441, n=441)], rule).outcome == "fail"
    assert verdict([fact("data_quality.rows", 500, n=500)], rule).outcome == "pass"


def test_a_value_without_an_interval_decides_nothing() -> None:
    auc = measure("performance.auc", 0.99)
    assert verdict([auc], 'measure = "performance.auc"\nminimum = 0.5').outcome == "insufficient"


def test_what_was_not_measured_says_why() -> None:
    rule = 'measure = "performance.auc"\nminimum = 0.7'
    absent = verdict([], rule)
    assert absent.outcome == "not_tested"
    assert absent.decisive is None
    failed = verdict([measure("performance.auc", None, status="failed", note="out of memory")], rule)
    assert failed.outcome == "not_tested"
    assert "Out of memory" in failed.sentence
    undefined = verdict([measure("performance.auc", None, note="only one class", n=0)], rule)
    assert undefined.outcome == "insufficient"
    assert "only one class" in undefined.sentence


def test_settings_are_judged_apart() -> None:
    leaks = [
        fact("data_quality.leaked_share", 0.0, at={"dataset": "training"}),
        fact("data_quality.leaked_share", 0.2, at={"dataset": "tuning"}),
    ]
    rule = 'measure = "data_quality.leaked_share"\nmaximum = 0.01'
    assert [v.outcome for v in verdicts(leaks, rule)] == ["pass", "fail"]
    only = verdict(leaks, rule + '\nat = { dataset = "training" }')
    assert only.outcome == "pass"
    assert "dataset training" in only.subject
    other = verdict(leaks, rule + '\nat = { dataset = "reference" }')
    assert other.outcome == "not_tested"
    assert "dataset = reference" in other.sentence


def test_every_column_must_keep_a_limit_on_columns() -> None:
    columns = [
        fact("data_quality.missing_share", share, slice={"column": name})
        for name, share in (("bmi", 0.0), ("bp", 0.3), ("age", 0.1))
    ]
    found = verdict(columns, 'measure = "data_quality.missing_share"\nmaximum = 0.2')
    assert found.outcome == "fail"
    assert (found.value, found.subject, found.judged, found.failed) == (0.3, "bp", 3, 1)


def test_groups_judged_by_one_rule_share_its_error() -> None:
    # alone, a group of 58/100 is clearly below .70; as one of 40 it might be so by chance
    rule = 'measure = "fairness.true_positive_rate"\nminimum = 0.7'
    low = rate("fairness.true_positive_rate", 58, 100, {"race": "g0"})
    others = [rate("fairness.true_positive_rate", 195, 200, {"race": f"g{i}"}) for i in range(1, 40)]
    assert verdict([low], rule).outcome == "fail"
    assert verdict([low, *others], rule).outcome == "insufficient"


@pytest.mark.parametrize(
    ("groups", "rows", "limit"), [(1, 50, 0.98), (12, 30, 0.95), (5, 200, 0.99), (45, 60, 0.9)]
)
def test_groups_exactly_at_the_limit_fail_in_at_most_5_percent_of_audits(
    groups: int, rows: int, limit: float
) -> None:
    # exact: the chance that a count fails, from the binomial, for independent groups
    rule = f'measure = "fairness.true_positive_rate"\nminimum = {limit}'
    rest = [rate("fairness.true_positive_rate", rows, rows, {"race": f"g{i}"}) for i in range(1, groups)]
    chance = 0.0
    for successes in range(rows + 1):
        probe = rate("fairness.true_positive_rate", successes, rows, {"race": "g0"})
        if verdict([probe, *rest], rule).outcome != "fail":
            break
        chance += float(stats.binom.pmf(successes, rows, limit))
    assert chance > 0
    assert 1 - (1 - chance) ** groups <= 0.05


def test_wilson_intervals_would_break_that_promise() -> None:
    # the mutant: judging by the interval that is shown fails 12 groups of 30 rows at .95 too often
    from assay.stats.intervals import wilson_interval
    from assay.stats.multiplicity import bonferroni_level

    counts = np.arange(31.0)
    _, high = wilson_interval(counts, np.full(31, 30.0), bonferroni_level(0.95, 12))
    chance = stats.binom.pmf(counts, 30, 0.95)[high < 0.95].sum()
    assert 1 - (1 - chance) ** 12 > 0.05


def test_rows_that_would_settle_a_rate_do_settle_it() -> None:
    rule = 'measure = "performance.accuracy"\nminimum = 0.7'
    found = verdict([rate("performance.accuracy", 75, 100)], rule)
    assert found.outcome == "insufficient"
    needed = found.undecided[0].rows_needed
    assert needed is not None
    grown = 100 + needed
    assert verdict([rate("performance.accuracy", round(0.75 * grown * 1.02), grown)], rule).outcome == "pass"
    half = 100 + needed // 2
    assert verdict([rate("performance.accuracy", round(0.75 * half), half)], rule).outcome == "insufficient"


def test_no_rows_settle_a_rate_that_lies_on_the_limit() -> None:
    found = verdict(
        [rate("performance.accuracy", 70, 100)], 'measure = "performance.accuracy"\nminimum = 0.7'
    )
    assert found.undecided[0].rows_needed is None
    assert "no number of further rows" in found.sentence
