"""What the group rates promise: planted gaps found, equal groups silent, nothing guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.datasets.subject import Subject
from assay.engine import run_method
from assay.errors import BadParams
from assay.methods.fairness.group_rates import METHOD
from tests.methods.fairness.measured import all_of, one
from tests.support import table_subject

FAST = {"replicates": 1_000}


def _subject(folder: Path, columns: dict[str, list[Any]], *sensitive: str, **request: Any) -> Subject:
    request = {"label": "y", "predictions": "p", "favourable": "1", **request}
    return table_subject(folder, columns, sensitive=sensitive, **request)


def _selected(counts: dict[str, tuple[int, int]]) -> dict[str, list[Any]]:
    """Columns with (selected, rows) of each group; labels alternate."""
    group = [g for g, (_, rows) in counts.items() for _ in range(rows)]
    p = [int(i < chosen) for chosen, rows in counts.values() for i in range(rows)]
    return {"group": group, "p": p, "y": [i % 2 for i in range(len(p))]}


def test_a_planted_gap_is_found_pair_by_pair(tmp_path: Path) -> None:
    """12 groups of 200 rows, eleven selected at .50 and one at .20: beyond a limit of .10 for certain."""
    counts = {f"g{i:02}": (100, 200) for i in range(11)} | {"g11": (40, 200)}
    result = run_method(METHOD, _subject(tmp_path, _selected(counts), "group"), FAST)
    gaps = all_of(result, "selection_rate_difference")
    assert len(gaps) == 66
    assert {gap.family for gap in gaps} == {66}
    beyond = [gap for gap in gaps if (gap.low or 0) > 0.10]
    assert len(beyond) == 11
    assert all(gap.at["against"] == "g11" and gap.value == pytest.approx(0.3) for gap in beyond)
    ratios = [m for m in all_of(result, "selection_rate_ratio") if (m.high or 1) < 0.8]
    assert len(ratios) == 11
    assert all(m.slice["group"] == "g11" for m in ratios)
    assert (one(result, "selection_rate_range_p_value").value or 1) < 0.01


def test_equal_groups_stay_silent_though_their_range_is_wide(tmp_path: Path) -> None:
    """12 groups of 60 rows, all selected at .50: the widest gap passes .10 by chance, no pair does."""
    rng = np.random.default_rng(7)
    alarms = wide = 0
    for _ in range(20):
        counts = {f"g{i:02}": (int(rng.binomial(60, 0.5)), 60) for i in range(12)}
        result = run_method(METHOD, _subject(tmp_path, _selected(counts), "group"), FAST)
        alarms += any((gap.low or 0) > 0.10 for gap in all_of(result, "selection_rate_difference"))
        wide += (one(result, "selection_rate_range").value or 0) > 0.10
    assert alarms == 0
    assert wide >= 18


def test_pairs_of_an_intersection_name_both_sides_in_attribute_order(tmp_path: Path) -> None:
    columns = {
        "race": ["Black", "White"] * 20,
        "sex": ["Female"] * 20 + ["Male"] * 20,
        "p": [0, 1] * 10 + [1, 1] * 10,
        "y": [0, 1, 1, 0] * 10,
    }
    result = run_method(METHOD, _subject(tmp_path, columns, "race", "sex"), FAST)
    over = "race × sex"
    pair = one(
        result, "selection_rate_difference", {"race": "White", "sex": "Male"}, over, against="Black, Female"
    )
    assert pair.value == 1.0
    pairs = [m for m in all_of(result, "selection_rate_difference") if m.over == over]
    assert len(pairs) == 6
    assert {m.family for m in pairs} == {6}


def test_an_intersection_without_rows_is_shown_as_insufficient(tmp_path: Path) -> None:
    columns = {
        "a": ["x", "x", "z", "z"] * 5,
        "b": ["u", "v", "u", "u"] * 5,
        "p": [0, 1] * 10,
        "y": [0, 1] * 10,
    }
    result = run_method(METHOD, _subject(tmp_path, columns, "a", "b"), FAST)
    rate = one(result, "selection_rate", {"a": "z", "b": "v"})
    assert (rate.status, rate.value, rate.n) == ("insufficient", None, 0)
    assert rate.note == "no rows of this group"
    assert one(result, "impact_ratio", {"a": "z", "b": "v"}).status == "insufficient"


def test_the_set_of_intersections_follows_the_number_of_attributes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = {name: rng.choice(["0", "1"], 400).tolist() for name in "abcdpy"}
    three = run_method(METHOD, _subject(tmp_path, columns, "a", "b", "c"), FAST)
    assert "a × b × c" in {m.over for m in three.measures}
    four = run_method(METHOD, _subject(tmp_path, columns, "a", "b", "c", "d"), FAST)
    overs = {m.over for m in four.measures if m.over}
    assert len(overs) == 4 + 6
    asked = run_method(METHOD, _subject(tmp_path, columns, "a", "b", "c", "d"), {**FAST, "intersections": 4})
    assert "a × b × c × d" in {m.over for m in asked.measures}
    none = run_method(METHOD, _subject(tmp_path, columns, "a", "b"), {**FAST, "intersections": 1})
    assert {m.over for m in none.measures if m.over} == {"a", "b"}


def test_unknown_groups_are_counted_and_bounded(tmp_path: Path) -> None:
    columns = {
        "sex": ["f"] * 50 + ["m"] * 50 + [None] * 10,
        "p": [1] * 10 + [0] * 40 + [1] * 30 + [0] * 20 + [1] * 5 + [0] * 5,
        "y": [0, 1] * 55,
    }
    result = run_method(METHOD, _subject(tmp_path, columns, "sex"), FAST)
    share = one(result, "unknown_share")
    assert (share.numerator, share.denominator, share.low, share.high) == (10, 110, share.value, share.value)
    assert one(result, "selection_rate", {"sex": "f"}).denominator == 50
    worst = one(result, "selection_rate_ratio_bound", case="worst")
    assert worst.value == pytest.approx((10 / 55) / (35 / 55))
    best = one(result, "selection_rate_ratio_bound", case="best")
    assert best.value == pytest.approx((15 / 55) / (30 / 55))


def test_the_screen_counts_persons_and_says_that_it_proves_nothing(tmp_path: Path) -> None:
    counts = {"men": (60, 100), "women": (30, 100), "other": (1, 5)}
    result = run_method(METHOD, _subject(tmp_path, _selected(counts), "group"), FAST)
    women = one(result, "impact_ratio", {"group": "women"}, against="men")
    assert women.value == pytest.approx(0.5)
    assert women.low is not None
    assert women.high is not None
    assert women.low < 0.5 < women.high
    assert one(result, "shortfall", {"group": "women"}).value == 18  # 48 of 100 are four fifths of .6
    assert one(result, "impact_ratio_p_value", {"group": "women"}).at["test"] == "z"
    assert one(result, "impact_ratio_p_value", {"group": "other"}).at["test"] == "fisher"
    sentence = "A statistical screen, never proof of compliance or of a breach."
    assert sentence in result.notes
    assert all(sentence in (m.note or "") for m in all_of(result, "impact_ratio"))


def test_a_small_category_can_be_left_out_of_the_screen_but_is_shown(tmp_path: Path) -> None:
    counts = {"a": (50, 100), "b": (40, 100), "tiny": (2, 2)}
    subject = _subject(tmp_path, _selected(counts), "group")
    result = run_method(METHOD, subject, {**FAST, "screen_minimum_share": 0.02})
    tiny = one(result, "impact_ratio", {"group": "tiny"})
    assert (tiny.status, tiny.value, tiny.n) == ("not_applicable", None, 2)
    assert one(result, "impact_ratio", {"group": "b"}, against="a").value == pytest.approx(0.8)
    assert one(result, "selection_rate", {"group": "tiny"}).value == 1.0


def test_nobody_selected_gives_no_ratio_instead_of_parity(tmp_path: Path) -> None:
    columns = {"group": ["a", "b"] * 20, "p": [0] * 40, "y": [0, 1, 1, 0] * 10}
    result = run_method(METHOD, _subject(tmp_path, columns, "group"), FAST)
    assert {m.status for m in all_of(result, "impact_ratio")} == {"insufficient"}
    assert one(result, "selection_rate_ratio").status == "insufficient"
    assert one(result, "selection_rate_difference").value == 0
    assert not all_of(result, "shortfall")


def test_multiclass_rates_are_one_against_the_rest_and_accuracy_exact(tmp_path: Path) -> None:
    columns = {
        "group": ["a"] * 6 + ["b"] * 6,
        "y": ["high", "low", "mid", "high", "low", "mid"] * 2,
        "p": ["high", "mid", "low", "low", "low", "mid", "high", "low", "mid", "high", "high", "mid"],
    }
    request = {"favourable": "high", "task": "multiclass"}
    result = run_method(METHOD, _subject(tmp_path, columns, "group", **request), FAST)
    a = {"group": "a"}
    assert one(result, "accuracy", a).value == pytest.approx(3 / 6)
    assert one(result, "selection_rate", a).value == pytest.approx(1 / 6)
    assert one(result, "true_positive_rate", a).value == pytest.approx(1 / 2)
    # mid predicted low is no false positive of "high", yet no exact hit either
    assert one(result, "true_negative_rate", a).value == 1.0
    assert one(result, "false_positive_rate", {"group": "b"}).value == pytest.approx(1 / 4)


def test_multiclass_without_a_favourable_class_has_only_accuracy(tmp_path: Path) -> None:
    columns = {"group": ["a", "b"] * 9, "y": ["x", "y", "z"] * 6, "p": ["x", "y", "y"] * 6}
    result = run_method(METHOD, _subject(tmp_path, columns, "group", favourable=None), FAST)
    measured = {m.id for m in result.measures}
    assert measured == {
        f"fairness.{n}" for n in ("accuracy", "accuracy_difference", "accuracy_range", "unknown_share")
    }
    assert any("favourable" in note for note in result.notes)


def test_without_a_label_only_selection_is_measured(tmp_path: Path) -> None:
    columns = {"group": ["a"] * 20 + ["b"] * 20, "p": ["1"] * 15 + ["0"] * 25}
    result = run_method(METHOD, _subject(tmp_path, columns, "group", label=None), FAST)
    assert one(result, "selection_rate", {"group": "a"}).value == 0.75
    assert not all_of(result, "accuracy")
    assert not all_of(result, "true_positive_rate")


def test_scores_are_turned_into_decisions_at_the_threshold(tmp_path: Path) -> None:
    columns = {"group": ["a"] * 4 + ["b"] * 4, "y": [0, 1] * 4, "s": [0.2, 0.5, 0.7, 0.9, 0.1, 0.3, 0.4, 0.6]}
    request = {"predictions": None, "scores": "s", "threshold": 0.5}
    result = run_method(METHOD, _subject(tmp_path, columns, "group", **request), FAST)
    assert one(result, "selection_rate", {"group": "a"}).value == 0.75
    assert one(result, "selection_rate", {"group": "b"}).value == 0.25


@pytest.fixture
def mixed(tmp_path: Path) -> Subject:
    rng = np.random.default_rng(3)
    columns = {
        "race": rng.choice(["a", "b", "c", ""], 2_000).tolist(),
        "sex": rng.choice(["f", "m"], 2_000).tolist(),
        "p": rng.integers(0, 2, 2_000).tolist(),
        "y": rng.integers(0, 2, 2_000).tolist(),
        "person": rng.integers(0, 300, 2_000).tolist(),
    }
    return _subject(tmp_path, columns, "race", "sex", cluster="person")


def test_another_sharding_gives_the_same_result(mixed: Subject) -> None:
    whole = run_method(METHOD, mixed, FAST)
    assert run_method(METHOD, mixed, FAST, shard_rows=170) == whole


def test_the_seed_alone_decides_the_random_part(mixed: Subject) -> None:
    first = run_method(METHOD, mixed, FAST, seed=1)
    assert run_method(METHOD, mixed, FAST, seed=1) == first
    assert run_method(METHOD, mixed, FAST, seed=2) != first


def test_every_measure_is_one_that_the_method_declares(mixed: Subject) -> None:
    specs = {spec.id: spec for spec in METHOD.spec.measures}
    for measure in run_method(METHOD, mixed, FAST).measures:
        spec = specs[measure.id]
        assert (measure.unit, measure.direction) == (spec.unit, spec.direction)


@pytest.mark.parametrize(
    "params", [{"level": 1.0}, {"replicates": 10}, {"intersections": 0}, {"max_groups": 1}]
)
def test_bad_parameters_are_refused_by_name(mixed: Subject, params: dict[str, Any]) -> None:
    with pytest.raises(BadParams, match=f"fairness.group_rates: {next(iter(params))}"):
        run_method(METHOD, mixed, params)


def test_a_misspelt_parameter_is_named_with_the_one_that_was_meant(mixed: Subject) -> None:
    with pytest.raises(BadParams, match=r'no parameter "levle"\. Close to it: "level"'):
        run_method(METHOD, mixed, {"levle": 0.9})


def test_an_intersection_of_too_many_groups_is_left_out_with_a_note(tmp_path: Path) -> None:
    columns = {
        "a": [f"a{i % 5}" for i in range(60)],
        "b": [f"b{i % 4}" for i in range(60)],
        "p": [0, 1] * 30,
        "y": [0, 1, 1] * 20,
    }
    result = run_method(METHOD, _subject(tmp_path, columns, "a", "b"), {**FAST, "max_groups": 10})
    assert {m.over for m in result.measures if m.over} == {"a", "b"}
    assert any("a × b was left out: more than 10 groups" in note for note in result.notes)
