"""Verdicts on what the registered methods really measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assay.contracts import Verdict
from assay.engine import run_method
from assay.policy import judge, load_policy
from assay.registry import METHODS
from tests.policy.builders import difference_rule, groups, verdict
from tests.support import table_subject


def audited(
    folder: Path,
    chances: dict[str, float],
    rows: int,
    pack: str,
    methods: tuple[str, ...] = ("fairness.group_rates", "performance.classification", "data_quality.basics"),
) -> dict[tuple[str, str | None], Verdict]:
    """Verdicts on a table whose groups are rightly selected at the given chances."""
    rng = np.random.default_rng(7)
    people = [
        (group, rng.random() < 0.5, rng.random() < chance)
        for group, chance in chances.items()
        for _ in range(rows)
    ]
    columns = {
        "sex": [group for group, _, _ in people],
        "label": ["yes" if label else "no" for _, label, _ in people],
        "predicted": ["yes" if label and chosen else "no" for _, label, chosen in people],
        "tenure": [float(i % 97) for i in range(len(people))],
    }
    subject = table_subject(
        folder, columns, label="label", predictions="predicted", sensitive=("sex",), favourable="yes"
    )
    measures = []
    for name in methods:
        measures += run_method(METHODS.get(name), subject).measures
    policy, _ = load_policy(pack)
    found, _ = judge(policy, measures, [method.spec for method in METHODS.all()])
    return {(v.rule, v.over): v for v in found}


def test_a_planted_gap_in_equal_opportunity_fails_the_hiring_pack(tmp_path: Path) -> None:
    found = audited(tmp_path, {"Female": 0.5, "Male": 0.95}, 2000, "hiring")
    failed = found["equal-opportunity", "sex"]
    assert failed.outcome == "fail"
    assert failed.subject == "Male − Female"
    assert found["impact-ratio", "sex"].outcome == "fail"
    assert found["smallest-group", "sex"].outcome == "pass"


def test_a_fair_tool_passes_and_a_small_sample_is_told_how_many_rows_to_bring(tmp_path: Path) -> None:
    large = audited(tmp_path, {"Female": 0.95, "Male": 0.95}, 4000, "general")
    assert large["equal-opportunity", "sex"].outcome == "pass"
    assert large["selection-rate-ratio", "sex"].outcome in ("pass", "warn")
    (tmp_path / "small").mkdir()
    small = audited(tmp_path / "small", {"Female": 0.7, "Male": 0.7}, 60, "general")
    open_one = small["equal-opportunity", "sex"]
    assert open_one.outcome == "insufficient"
    assert open_one.undecided[0].rows_needed is not None


def test_the_rows_that_would_settle_do_not_hang_on_which_other_methods_ran(tmp_path: Path) -> None:
    # data_quality.group_rows is measured on the whole table, whose rows are not those of the group
    chances = {"Female": 0.7, "Male": 0.7, "Other": 0.5}
    needed = []
    for methods in (("fairness.group_rates",), ("fairness.group_rates", "data_quality.basics")):
        folder = tmp_path / str(len(methods))
        folder.mkdir()
        found = audited(folder, chances, 60, "general", methods)["equal-opportunity", "sex"]
        needed.append([(entry.group, entry.rows_needed) for entry in found.undecided])
    assert needed[0] == needed[1]
    assert any(rows for _, rows in needed[0])


def test_rules_of_methods_that_need_scores_say_that_nothing_was_measured(tmp_path: Path) -> None:
    found = audited(tmp_path, {"Female": 0.9, "Male": 0.9}, 100, "health-triage")
    assert found["discrimination", None].outcome == "not_tested"


def test_one_group_far_below_eleven_others_is_found() -> None:
    # design: 12 groups of 200 rows, one at .20 against .50, limit .10, found in at least 95 % of audits
    rng = np.random.default_rng(2026)
    hits = 0
    for _ in range(40):
        counts = {f"g{i}": (int(rng.binomial(200, 0.5)), 200) for i in range(11)}
        counts["low"] = (int(rng.binomial(200, 0.2)), 200)
        found = verdict(groups(counts, "difference", over="race"), difference_rule(0.1))
        hits += found.outcome == "fail" and "low" in found.subject
    assert hits >= 38
