"""Rows of unknown group widen what is said of every group, and a verdict passes only if it would anyway."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.contracts import Measure, MethodResult, Verdict
from assay.engine import run_method
from assay.methods.fairness.group_rates import METHOD as RATES
from assay.methods.fairness.scores import METHOD as SCORES
from tests.methods.fairness.measured import all_of, one
from tests.policy.builders import difference_rule, verdict
from tests.support import table_subject

FAST = {"replicates": 1_000}
SAID = {"label": "y", "favourable": "1"}


def _rates(folder: Path, columns: dict[str, list[Any]], *sensitive: str, **request: Any) -> MethodResult:
    subject = table_subject(folder, columns, sensitive=sensitive, predictions="p", **SAID, **request)
    return run_method(RATES, subject, FAST)


def _columns(hidden: int, selected: bool, rows: int = 1_000) -> dict[str, list[Any]]:
    """Two groups selected alike at .5; the group of some rows of the second is not known."""
    half = rows // 2
    p = [i % 2 for i in range(rows)]
    group = ["a"] * half + ["b"] * half
    for place in [i for i in range(half, rows) if p[i] == selected][:hidden]:
        group[place] = ""
    return {"group": group, "p": p, "y": [(i // 2) % 2 for i in range(rows)]}


def test_a_rate_says_its_bounds_and_the_rows_behind_them(tmp_path: Path) -> None:
    result = _rates(tmp_path, _columns(50, selected=True), "group")
    rate = one(result, "selection_rate", {"group": "b"})
    assert rate.unknown is not None
    assert (rate.unknown.rows, rate.unknown.hits, rate.unknown.misses) == (50, 50, 0)
    assert rate.unknown.share == pytest.approx(0.05)
    assert rate.unknown.low == pytest.approx(200 / 450)
    assert rate.unknown.high == pytest.approx(250 / 500)
    assert rate.interval_method == "wilson, over all placings of unknown rows"
    pair = one(result, "selection_rate_difference", {"group": "a"}, "group")
    assert pair.unknown is not None
    assert pair.unknown.low == pytest.approx(250 / 500 - 250 / 500)
    assert pair.unknown.high == pytest.approx(300 / 550 - 200 / 450)
    ratio = one(result, "selection_rate_ratio", over="group")
    assert ratio.unknown is not None
    assert ratio.unknown.low == pytest.approx((200 / 450) / (300 / 550))
    assert any("the group of 50 of 1,000 rows (5.00%) is not known" in note for note in result.notes)


def test_where_every_group_is_known_nothing_is_said_of_unknown_rows(tmp_path: Path) -> None:
    result = _rates(tmp_path, _columns(0, selected=True), "group")
    assert all(measure.unknown is None for measure in result.measures)
    assert one(result, "selection_rate", {"group": "b"}).interval_method == "wilson"


def test_hiding_the_group_of_the_refused_cannot_make_a_gap_pass(tmp_path: Path) -> None:
    """Rates of .5 and .4; without the second group's refused rows the known ones look alike."""
    columns = _columns(0, selected=True, rows=4_000)
    p, group = columns["p"], columns["group"]
    second = [i for i, name in enumerate(group) if name == "b" and p[i] == 1]
    for place in second[:200]:
        p[place] = 0
    honest = _rates(tmp_path, columns, "group")
    assert _verdict(honest, 0.05) == "fail"
    refused = [i for i, name in enumerate(group) if name == "b" and p[i] == 0]
    for place in refused[:400]:
        group[place] = "?"
    hidden = _rates(tmp_path, columns, "group")
    pair = one(hidden, "selection_rate_difference", over="group")
    assert pair.value == pytest.approx(0, abs=1e-9)
    assert _verdict(hidden, 0.05) == "insufficient"
    assert pair.unknown is not None
    assert pair.unknown.low is not None
    assert pair.low is not None
    assert pair.low < pair.unknown.low <= -0.1 or (pair.high or 0) > (pair.unknown.high or 0) >= 0.1


def test_a_verdict_says_that_only_the_groups_would_settle_it(tmp_path: Path) -> None:
    result = _rates(tmp_path, _columns(400, selected=True, rows=4_000), "group")
    found = _judged(result, 0.05)
    assert found.outcome == "insufficient"
    assert "wherever the 400 rows of unknown group belong" in found.sentence
    assert "only knowing the group of those rows would settle it" in found.sentence


def test_a_few_unknown_rows_leave_a_clear_verdict_as_it_is(tmp_path: Path) -> None:
    result = _rates(tmp_path, _columns(4, selected=True, rows=20_000), "group")
    assert _verdict(result, 0.05) == "pass"


def _judged(result: MethodResult, most: float) -> Verdict:
    pairs = [m for m in result.measures if m.id.startswith("fairness.selection_rate")]
    return verdict(pairs, difference_rule(most))


def _verdict(result: MethodResult, most: float) -> str:
    return str(_judged(result, most).outcome)


def test_what_is_known_of_a_row_narrows_where_it_may_belong(tmp_path: Path) -> None:
    columns = {
        "sex": ["f", "f", "m", "m"] * 25,
        "race": (["a", "b"] * 50)[:96] + [""] * 4,
        "p": [1, 0] * 50,
        "y": [0, 1] * 50,
    }
    result = _rates(tmp_path, columns, "sex", "race")
    pairs = [m for m in all_of(result, "selection_rate") if len(m.slice) == 2]
    both = {m.slice["sex"]: m for m in pairs if m.slice["race"] == "a"}
    for sex in ("f", "m"):
        unknown = both[sex].unknown
        assert unknown is not None
        assert unknown.rows == 2  # of the four, those of that sex
    assert one(result, "selection_rate", {"sex": "f"}).unknown is None


@pytest.mark.parametrize("name", ["selection_rate_difference", "selection_rate_ratio"])
def test_clusters_widen_by_unknown_rows_too(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    rows = 1_200
    columns: dict[str, list[Any]] = {
        "group": ["ab"[i // 2 % 2] for i in range(rows)],
        "p": rng.integers(0, 2, rows).tolist(),
        "y": rng.integers(0, 2, rows).tolist(),
        "person": [f"p{i // 2}" for i in range(rows)],
    }
    known = one(_rates(tmp_path, columns, "group", cluster="person"), name, over="group")
    columns["group"] = [None if i % 40 == 0 else g for i, g in enumerate(columns["group"])]
    hidden = one(_rates(tmp_path, columns, "group", cluster="person"), name, over="group")
    assert hidden.unknown is not None
    _holds(hidden)
    assert None not in (known.low, known.high, hidden.low, hidden.high)
    assert hidden.high - hidden.low > known.high - known.low  # type: ignore[operator]
    width = hidden.unknown.high - hidden.unknown.low  # type: ignore[operator]
    assert hidden.high - hidden.low > 1.2 * width  # type: ignore[operator]


def _holds(measure: Measure) -> None:
    """Its bounds lie inside its interval, its value inside both."""
    assert measure.unknown is not None
    assert measure.value is not None
    low, high = measure.unknown.low, measure.unknown.high
    assert low is not None
    assert high is not None
    assert low - 1e-12 <= measure.value <= high + 1e-12
    assert measure.low is None or measure.low <= low + 1e-12
    assert measure.high is None or measure.high >= high - 1e-12


_RANGES = ("selection_rate", "true_positive_rate", "false_positive_rate", "equalized_odds")


@pytest.mark.parametrize("seed", range(6))
def test_no_placing_leaves_the_bounds_of_a_range(tmp_path: Path, seed: int) -> None:
    """Group c has no favourable rows of its own, so it has a true positive rate only where one joins it."""
    rng = np.random.default_rng(seed)
    group = [*"aaaaaaaabbbbbbbbcccc"]
    y = [*([0, 1] * 8), 0, 0, 0, 0, *([1, 1, 1] if seed % 2 else rng.integers(0, 2, 3).tolist())]
    p = rng.integers(0, 2, 23).tolist()

    def ranges(placed: list[Any]) -> dict[str, Measure]:
        result = _rates(tmp_path, {"group": [*group, *placed], "y": y, "p": p}, "group")
        return {name: one(result, f"{name}_range", over="group") for name in _RANGES}

    bounded = ranges([None] * 3)
    found = [ranges(list(way)) for way in product("abc", repeat=3)]
    for name, measure in bounded.items():
        low, high = measure.value, measure.value
        if measure.unknown is not None:
            low, high = measure.unknown.low, measure.unknown.high
        assert low is not None
        assert high is not None
        assert low - 1e-12 <= measure.value <= high + 1e-12  # type: ignore[operator]
        values = [each[name].value for each in found]
        assert low - 1e-12 <= min(values)  # type: ignore[type-var]
        assert max(values) <= high + 1e-12  # type: ignore[type-var, operator]
    assert bounded["true_positive_rate"].unknown is not None


def test_odds_hold_a_rate_that_no_unknown_row_counts_to(tmp_path: Path) -> None:
    """False positive rates of 0 and .5 are certain; unknown rows count to the true positive rate alone."""
    columns = {
        "group": ["a"] * 20 + ["b"] * 20 + [None] * 2,
        "y": ([1] * 10 + [0] * 10) * 2 + [1, 1],
        "p": [1] * 9 + [0] * 11 + [1] * 8 + [0] * 2 + [1] * 5 + [0] * 5 + [1, 1],
    }
    odds = one(_rates(tmp_path, columns, "group"), "equalized_odds_range", over="group")
    assert odds.value == 0.5
    assert odds.unknown is not None
    assert (odds.unknown.low, odds.unknown.high, odds.unknown.rows) == (0.5, 0.5, 2)


def test_scores_of_groups_are_bounded_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = 900
    y = rng.integers(0, 2, rows)
    columns = {
        "group": [None if i % 30 == 0 else "ab"[i % 2] for i in range(rows)],
        "s": np.clip(0.5 * rng.random(rows) + 0.4 * y, 0, 1).round(3).tolist(),
        "y": y.tolist(),
    }
    subject = table_subject(tmp_path, columns, sensitive=("group",), scores="s", **SAID)
    result = run_method(SCORES, subject, FAST)
    for name in ("auc", "brier_score", "calibration_error", "auc_difference", "calibration_error_difference"):
        found = [m for m in all_of(result, name) if m.value is not None]
        assert found
        for measure in found:
            assert measure.unknown is not None
            assert measure.unknown.rows == 30
            kept = "in the bins of the known rows" in (measure.note or "")
            assert kept == name.startswith("calibration")
            _holds(measure)
