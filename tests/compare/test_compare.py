"""What became better or worse between two runs, and what cannot be told."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.compare import compare
from assay.compare.change import default_tolerance, reading
from assay.contracts import Comparison, Measure
from assay.evidence import dump, loads
from tests.compare.builders import run
from tests.policy.builders import RATES, fact, groups, measure, policy, rate, ratio_rule, score
from tests.policy.test_pairs import turned


def only(before: Measure, after: Measure) -> Comparison:
    (found,) = compare(run([before]), run([after], data="b.csv")).comparisons
    return found


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.01, 0.01, "unchanged"),
        (0.011, 0.03, "better"),
        (-0.03, -0.011, "worse"),
        (0.0, 0.02, "insufficient"),
        (0.01, 0.02, "insufficient"),
        (-0.2, 0.2, "insufficient"),
        (-math.inf, math.inf, "insufficient"),
    ],
)
def test_a_reading_needs_the_whole_interval(low: float, high: float, expected: str) -> None:
    assert reading(low, high, 0.01, 1) == expected
    mirrored = {"better": "worse", "worse": "better"}.get(expected, expected)
    assert reading(low, high, 0.01, -1) == mirrored


def test_the_interval_of_two_rates_is_newcombes() -> None:
    # Newcombe 1998 (differences), table II, method 10, contrast (a): 56/70 - 48/80 -> 0.0524 to 0.3339
    found = only(rate("performance.accuracy", 48, 80), rate("performance.accuracy", 56, 70))
    assert found.change == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert (found.reading, found.interval_method) == ("better", "unpaired, MOVER")


@pytest.mark.parametrize(
    ("name", "before", "after", "expected"),
    [
        ("performance.auc", 0.70, 0.80, "better"),
        ("performance.auc", 0.80, 0.70, "worse"),
        ("performance.auc", 0.80, 0.801, "unchanged"),
        ("performance.brier_score", 0.20, 0.10, "better"),
        ("performance.brier_score", 0.10, 0.20, "worse"),
        ("performance.calibration_slope", 1.5, 1.0, "better"),
        ("performance.calibration_slope", 0.5, 1.0, "better"),
        ("performance.calibration_slope", 0.9, 1.4, "worse"),
        ("performance.calibration_slope", 0.8, 1.2, "unchanged"),
    ],
)
def test_better_follows_the_direction_of_the_measure(
    name: str, before: float, after: float, expected: str
) -> None:
    assert only(score(name, before, 0.002), score(name, after, 0.002)).reading == expected


def test_too_few_rows_leave_a_change_undecided() -> None:
    found = only(rate("performance.accuracy", 70, 100), rate("performance.accuracy", 75, 100))
    assert found.reading == "insufficient"


def test_exact_facts_compare_exactly() -> None:
    found = only(fact("data_quality.rows", 500), fact("data_quality.rows", 499))
    assert (found.low, found.high, found.change) == (-1, -1, -1)
    assert (found.reading, found.interval_method, found.tolerance) == ("unchanged", "exact", 25)


def test_a_value_without_an_interval_cannot_be_compared() -> None:
    found = only(measure("performance.auc", 0.7), measure("performance.auc", 0.9))
    assert found.reading == "insufficient"
    assert found.low is None
    assert found.note == "One of the runs gives no interval."


def pairs(a: int, b: int, kind: str, n: int = 50_000) -> list[Measure]:
    return groups({"F": (a, n), "M": (b, n)}, kind)[2:]  # type: ignore[arg-type]


def test_a_gap_counts_by_its_distance_from_parity() -> None:
    found = only(pairs(10_000, 20_000, "difference")[0], pairs(18_000, 20_000, "difference")[0])
    assert (found.before, found.after, found.change) == pytest.approx((0.2, 0.04, -0.16))
    assert found.reading == "better"


def test_a_gap_that_turns_round_is_no_improvement() -> None:
    # .20 in favour of M becomes .20 in favour of F: as far from parity as before
    for kind in ("difference", "ratio"):
        found = only(pairs(10_000, 20_000, kind)[0], pairs(20_000, 10_000, kind)[0])
        assert found.change == pytest.approx(0)
        assert found.reading == "unchanged"
        assert found.note == "The groups changed sides."


def test_a_ratio_across_parity_is_folded() -> None:
    before = measure(
        f"{RATES}_ratio",
        0.95,
        low=0.9,
        high=1.1,
        slice={"sex": "F"},
        over="sex",
        at={"against": "M"},
        level=0.95,
    )
    after = before.model_copy(update={"value": 0.5, "low": 0.4, "high": 0.6})
    found = only(before, after)
    # folded interval before: [0.9, 1]; Zou & Donner 2008 by hand
    low = -0.45 - math.hypot(0.5 - 0.4, 1.0 - 0.95)
    high = -0.45 + math.hypot(0.6 - 0.5, 0.95 - 0.9)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.reading == "worse"


def test_a_ratio_of_zero_is_as_far_from_parity_as_can_be() -> None:
    found = only(pairs(9_000, 10_000, "ratio")[0], pairs(0, 10_000, "ratio")[0])
    assert found.after == 0
    assert found.reading == "worse"


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.integers(1, 400),
    st.integers(1, 400),
    st.sampled_from(["difference", "ratio"]),
)
def test_no_reading_hangs_on_which_group_is_named_first(a: int, b: int, c: int, d: int, kind: str) -> None:
    before, after = pairs(a, b, kind, 400)[0], pairs(c, d, kind, 400)[0]
    plain = only(before, after)
    for x, y in ((turned(before), after), (before, turned(after)), (turned(before), turned(after))):
        found = only(x, y)
        assert found.reading == plain.reading
        assert found.change == pytest.approx(plain.change, abs=1e-9)
        assert found.note == plain.note


def test_the_same_predictions_are_compared_without_error() -> None:
    measures = [rate("performance.accuracy", 70, 100), *groups({"F": (9, 20), "M": (50, 100)})]
    report = compare(run(measures), run(measures, seed=1))
    assert {c.reading for c in report.comparisons} == {"unchanged"}
    assert any("same predictions of the same rows" in s for s in report.statements)
    assert any("The plans differ: seed 0 and 1." in s for s in report.statements)


def test_measures_of_one_run_only_are_listed_and_never_compared() -> None:
    accuracy, auc = rate("performance.accuracy", 70, 100), score("performance.auc", 0.8, 0.01)
    lost = measure("performance.auc", None, note="only one class")
    report = compare(run([accuracy, auc]), run([lost, fact("data_quality.rows", 9)], data="b.csv"))
    assert [u.id for u in report.only_before] == ["performance.accuracy", "performance.auc"]
    assert [u.reason for u in report.only_before] == ["not among its measures", "only one class"]
    assert [u.id for u in report.only_after] == ["data_quality.rows"]
    assert report.comparisons == ()


def test_what_is_shown_or_has_no_better_side_is_left_out() -> None:
    selection = rate(RATES, 50, 100, {"sex": "F"})
    spread = measure(f"{RATES}_range", 0.1, over="sex")
    report = compare(run([selection, spread]), run([selection, spread], data="b.csv"))
    assert report.comparisons == ()


def test_a_rule_of_groups_that_is_not_tested_any_more_changed_once() -> None:
    rules = policy(ratio_rule(0.8))
    judged = run(groups({"F": (380, 1_000), "M": (400, 1_000)}), rules)
    missing = run([rate("performance.accuracy", 650, 1_000)], rules, data="b.csv")
    assert [(v.over, v.outcome) for v in missing.verdicts] == [(None, "not_tested")]
    over = judged.verdicts[0].over
    for before, after, outcomes in (
        (judged, missing, (judged.verdicts[0].outcome, "not_tested")),
        (missing, judged, ("not_tested", judged.verdicts[0].outcome)),
    ):
        (changed,) = compare(before, after).verdict_changes
        assert (changed.over, changed.before, changed.after) == (over, *outcomes)
    assert compare(missing, missing).verdict_changes == ()


def test_differences_in_data_policy_and_plan_are_stated() -> None:
    one = policy('measure = "performance.accuracy"\nminimum = 0.7')
    two = policy('measure = "performance.accuracy"\nminimum = 0.6')
    accuracy = [rate("performance.accuracy", 650, 1000)]
    report = compare(run(accuracy, one), run(accuracy, two, data="b.csv", failed_shards=1))
    said = " ".join(report.statements)
    assert "different files: a.csv (1,000 rows" in said
    assert "different policies: own 1 (sha256" in said
    assert "The second run is incomplete" in said
    assert "Rows are not paired" in said
    (changed,) = report.verdict_changes
    assert (changed.rule, changed.before, changed.after) == ("r1", "fail", "pass")


def test_the_policy_sets_the_tolerance() -> None:
    rules = policy('measure = "performance.accuracy"\nminimum = 0.5\ntolerance = 0.2')
    a, b = [rate("performance.accuracy", 700, 1000)], [rate("performance.accuracy", 660, 1000)]
    (found,) = compare(run(a, rules), run(b, rules, data="b.csv")).comparisons
    assert (found.tolerance, found.reading) == (0.2, "unchanged")


def test_default_tolerances_go_by_unit() -> None:
    units = ("share", "difference", "score", "ratio", "count")
    assert [default_tolerance(u, 40.0) for u in units] == [0.01, 0.01, 0.01, 0.05, 2.0]
    assert default_tolerance("mm Hg", -40.0) == 2.0


def test_evidence_read_back_from_its_file_compares_the_same() -> None:
    a = run(groups({"F": (300, 1000), "M": (500, 1000)}))
    b = run(groups({"F": (480, 1000), "M": (500, 1000)}), data="b.csv")
    assert compare(loads(dump(a)), loads(dump(b))) == compare(a, b)
