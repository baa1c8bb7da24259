"""Order, findings, words and exit codes of verdicts."""

from __future__ import annotations

import hashlib

import pytest

from assay.contracts import NotTested, Verdict
from assay.evidence import measure_key
from assay.policy import exit_code, judge
from assay.registry import METHODS as REGISTERED
from tests.policy.builders import METHODS, fact, findings, groups, policy, rate, ratio_rule, verdict, verdicts

FAIR = groups({"Female": (360, 1000), "Male": (900, 1000)})
ACCURACY = 'measure = "performance.accuracy"\nminimum = 0.7'
ROWS = 'measure = "data_quality.rows"\nminimum = 100'


def test_verdicts_come_by_pillar_then_in_the_order_of_the_policy() -> None:
    measures = [fact("data_quality.rows", 500), *FAIR, rate("performance.accuracy", 90, 100)]
    rules = (ROWS, ratio_rule(), 'id = "second"\n' + ratio_rule(0.5), ACCURACY)
    assert [v.rule for v in verdicts(measures, *rules)] == ["r4", "r2", "second", "r1"]


def test_a_failed_rule_gives_one_finding_per_attribute_and_no_other_does() -> None:
    measures = FAIR + groups({"B": (5000, 10_000), "W": (5000, 10_000)}, over="race")
    (found,) = findings(measures, ratio_rule(0.8, 'severity = "critical"\naction = "Look."'))
    decisive = next(m for m in measures if m.over == "sex")
    key = measure_key(decisive)
    assert found.id == "f-" + hashlib.sha256(f"r1\n{key}".encode()).hexdigest()[:12]
    assert (found.severity, found.action, found.measures) == ("critical", "Look.", (key,))
    assert found.title == "Rule 1, sex"
    assert found.criterion == "≥ 0.80 (us)"
    assert found.pillar == "fairness"


def test_the_verdict_quotes_its_decisive_measure_in_a_sentence() -> None:
    found = verdict(FAIR, ratio_rule())
    pair = FAIR[-1]
    assert found.decisive == measure_key(pair)
    assert (found.value, found.low, found.high, found.n) == (pair.value, pair.low, pair.high, 2000)
    assert found.limit == "≥ 0.80"
    assert found.subject == "Female / Male"
    low, high = f"{pair.low:.2f}", f"{pair.high:.2f}"
    expected = f"Female / Male: 0.40, 95 % interval {low} to {high}, is wholly below the limit 0.80."
    assert found.sentence == expected


def test_a_sentence_never_shows_a_missed_limit_as_met() -> None:
    found = verdict(
        [fact("data_quality.missing_share", 0.2004, slice={"column": "bp"})],
        'measure = "data_quality.missing_share"\nmaximum = 0.2',
    )
    assert found.outcome == "fail"
    assert "0.2004" in found.sentence


def test_a_rule_without_measures_repeats_why_its_method_did_not_run() -> None:
    why = [
        NotTested(pillar="performance", method="performance.classification", title="P", reason="No label.")
    ]
    (found,), _ = judge(policy(ACCURACY), [], METHODS, not_tested=why)
    assert found.sentence == "Accuracy: not measured. No label."


def test_an_attribute_that_a_rule_names_never_vanishes_without_a_word() -> None:
    rule = ratio_rule(0.3, 'over = ["sex", "race × sex"]')
    tested, missing = verdicts(FAIR, rule)
    assert (tested.over, tested.outcome) == ("sex", "pass")
    assert (missing.over, missing.outcome, missing.required) == ("race × sex", "not_tested", True)
    assert "not over race × sex" in missing.sentence
    assert exit_code((tested, missing)) == 3
    both = FAIR + groups({"B, F": (50, 100), "W, M": (50, 100)}, over="sex × race")
    assert verdicts(both, rule)[0].outcome == "pass"
    assert len(verdicts(both, rule)) == 2, "an intersection is found whichever attribute is named first"


def test_a_rule_says_what_its_measure_lacked_and_only_that() -> None:
    rule = policy('measure = "data_quality.leaked_share"\nmaximum = 0.01')
    specs = [method.spec for method in REGISTERED.all()]
    (lacking,), _ = judge(rule, [], specs, (), ("labels",))
    assert "Needs the training rows" in lacking.sentence
    (had,), _ = judge(rule, [], specs, (), ("labels", "training_rows"))
    assert "--train" not in had.sentence


def test_wildcards_ask_for_no_attribute_by_name() -> None:
    assert [v.over for v in verdicts(FAIR, ratio_rule(0.3, 'over = ["*", "* × *"]'))] == ["sex"]


def test_the_same_measures_in_another_order_give_the_same_verdicts() -> None:
    measures = [*groups({"A": (300, 600), "B": (250, 600), "C": (100, 400)}, over="race")]
    backwards = verdict(measures[::-1], ratio_rule())
    forwards = verdict(measures, ratio_rule())
    assert backwards.model_dump() == forwards.model_dump()


def _verdict(outcome: str, required: bool = True) -> Verdict:
    base = verdict([rate("performance.accuracy", 90, 100)], ACCURACY)
    return base.model_copy(update={"outcome": outcome, "required": required})


@pytest.mark.parametrize(
    ("outcomes", "failed_shards", "code"),
    [
        ([], 0, 0),
        ([("pass", True), ("warn", True)], 0, 0),
        ([("pass", True), ("fail", False)], 0, 1),
        ([("insufficient", False)], 0, 3),
        ([("not_tested", True)], 0, 3),
        ([("not_tested", False)], 0, 0),
        ([("pass", True)], 1, 3),
        ([], 2, 3),
        ([("insufficient", True), ("not_tested", True), ("fail", True)], 1, 1),
    ],
)
def test_exit_codes_of_an_audit(outcomes: list[tuple[str, bool]], failed_shards: int, code: int) -> None:
    assert exit_code([_verdict(*o) for o in outcomes], failed_shards) == code


def test_a_fact_about_a_whole_attribute_is_about_all_rows() -> None:
    smallest = fact("data_quality.smallest_group_rows", 207, over="sex", n=442)
    found = verdict([smallest], 'measure = "data_quality.smallest_group_rows"\nminimum = 30\nover = "*"')
    assert (found.over, found.subject) == ("sex", "all rows")
    assert found.sentence == "Smallest group rows, sex: 207 (exact) lies inside the limit ≥ 30."
