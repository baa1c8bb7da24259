"""The gate: through only if nothing is shown to be worse, and everything is shown."""

from __future__ import annotations

import pytest

from assay.compare import gate
from assay.contracts import Measure
from tests.compare.builders import run
from tests.policy.builders import TRUE_POSITIVES, fact, groups, measure, policy, rate, ratio_rule, score

ACCURACY = 'measure = "performance.accuracy"\nminimum = 0.5'
RULES = policy(ACCURACY, ratio_rule(0.5))


def accuracy(share: float, n: int = 100_000) -> Measure:
    return rate("performance.accuracy", round(share * n), n)


def fair(female: int, male: int = 50_000, n: int = 100_000) -> list[Measure]:
    return groups({"F": (female, n), "M": (male, n)})


def test_an_equal_candidate_goes_through() -> None:
    found = gate(
        run([accuracy(0.8), *fair(45_000)], RULES), run([accuracy(0.8), *fair(45_100)], RULES, data="b")
    )
    assert found.exit_code == 0
    assert found.sentence.startswith("Let through: none of 2")
    assert found.reasons == ()


def test_a_better_candidate_goes_through_even_if_how_much_is_open() -> None:
    # the interval of the change reaches beyond the tolerance on the good side only
    before, after = (
        run([accuracy(0.80)], policy(ACCURACY)),
        run([accuracy(0.812, 20_000)], policy(ACCURACY), data="b"),
    )
    found = gate(before, after)
    assert found.comparisons[0].reading == "insufficient"
    assert found.exit_code == 0


def test_from_failed_to_undecided_is_no_loss() -> None:
    rules = policy(ratio_rule(0.8))
    failing, open_ = fair(30_000), groups({"F": (38, 100), "M": (50, 100)})
    found = gate(run(failing, rules), run(open_, rules, data="b"))
    assert found.verdict_changes[0].before == "fail"
    assert found.verdict_changes[0].after == "insufficient"
    assert not any("now insufficient" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    "after", [[accuracy(0.75), *fair(45_000)], [accuracy(0.8), *fair(30_000)]], ids=["accuracy", "fairness"]
)
def test_one_pillar_that_became_worse_stops_the_candidate(after: list[Measure]) -> None:
    found = gate(run([accuracy(0.8), *fair(45_000)], RULES), run(after, RULES, data="b"))
    assert found.exit_code == 1
    assert len(found.reasons) == 1
    assert "worse" in found.reasons[0]


def test_a_rule_that_fails_now_stops_the_candidate() -> None:
    strict = policy('measure = "data_quality.rows"\nminimum = 500\ntolerance = 100')
    found = gate(
        run([fact("data_quality.rows", 510)], strict), run([fact("data_quality.rows", 490)], strict, data="b")
    )
    assert found.exit_code == 1
    assert found.reasons == ("Rule 1: fails now, was passed.",)


def test_a_rule_that_failed_before_and_got_no_worse_does_not() -> None:
    strict = policy('measure = "performance.accuracy"\nminimum = 0.9')
    assert gate(run([accuracy(0.8)], strict), run([accuracy(0.8)], strict, data="b")).exit_code == 0


def test_too_few_rows_to_show_it_leave_the_gate_undecided() -> None:
    found = gate(
        run([accuracy(0.8, 400)], policy(ACCURACY)), run([accuracy(0.8, 400)], policy(ACCURACY), data="b")
    )
    assert found.exit_code == 3
    assert "not shown to be no worse" in found.reasons[0]


def test_the_same_predictions_always_go_through() -> None:
    small = [accuracy(0.8, 40), *fair(9, 10, 20)]
    assert gate(run(small, RULES), run(small, RULES, seed=3)).exit_code == 0


def test_worse_goes_before_undecided() -> None:
    rules = policy(ACCURACY, 'measure = "performance.auc"\nminimum = 0.5')
    before = [accuracy(0.8), score("performance.auc", 0.8, 0.001)]
    after = [accuracy(0.6), score("performance.auc", 0.8, 0.1)]
    assert gate(run(before, rules), run(after, rules, data="b")).exit_code == 1


@pytest.mark.parametrize(
    "lost", [None, measure("performance.auc", None, status="failed", note="out of memory")]
)
def test_a_measure_that_the_candidate_lost_leaves_it_undecided(lost: Measure | None) -> None:
    rules = policy(ACCURACY, 'measure = "performance.auc"\nminimum = 0.5')
    before = [accuracy(0.8), score("performance.auc", 0.8, 0.001)]
    after = [accuracy(0.8)] + ([lost] if lost else [])
    found = gate(run(before, rules), run(after, rules, data="b"))
    assert found.exit_code == 3
    assert any("was passed, now not tested" in reason for reason in found.reasons)


def test_a_pillar_that_the_candidate_lost_leaves_it_undecided() -> None:
    found = gate(run([accuracy(0.8), fact("data_quality.rows", 9)]), run([accuracy(0.8)], data="b"))
    assert found.exit_code == 3
    assert "The candidate measured nothing of data quality." in found.reasons


def test_an_incomplete_candidate_is_undecided() -> None:
    found = gate(run([accuracy(0.8)]), run([accuracy(0.8)], data="b", failed_shards=1))
    assert found.exit_code == 3


def test_runs_under_different_policies_cannot_be_gated() -> None:
    other = policy('measure = "performance.accuracy"\nminimum = 0.6')
    for candidate in (run([accuracy(0.8)], other), run([accuracy(0.8)])):
        found = gate(run([accuracy(0.8)], policy(ACCURACY)), candidate)
        assert found.exit_code == 2
        assert "not judged by the baseline's policy" in found.sentence
        assert "different policies" in found.reasons[0]


def test_hopeless_small_groups_do_not_block_a_gate_on_the_decisive_pair() -> None:
    rules = policy(ratio_rule(0.8))
    wide = {"A": (50_000, 100_000), "B": (30_000, 100_000)} | {f"s{i}": (2, 5) for i in range(8)}
    before = groups(wide, over="race")
    after = groups({**wide, "B": (30_050, 100_000)}, over="race")
    found = gate(run(before, rules), run(after, rules, data="b"))
    assert found.exit_code == 0
    assert len(found.comparisons) == 1


def test_without_a_policy_the_gap_that_stands_out_most_surely_is_compared() -> None:
    counts = {"A": (50_000, 100_000), "B": (30_000, 100_000), "C": (1, 9)}
    before = groups(counts, "difference", name=TRUE_POSITIVES, over="race")
    after = groups({**counts, "A": (60_000, 100_000)}, "difference", name=TRUE_POSITIVES, over="race")
    found = gate(run(before), run(after, data="b"))
    assert found.exit_code == 1
    compared = [c for c in found.comparisons if c.over == "race"]
    assert [dict(c.slice) | dict(c.at) for c in compared] == [{"race": "A", "against": "B"}]
    assert compared[0].reading == "worse"


def test_a_new_worst_pair_of_the_candidate_is_seen() -> None:
    rules = policy(ratio_rule(0.5))
    counts = {"A": (50_000, 100_000), "B": (45_000, 100_000), "C": (49_000, 100_000)}
    before = groups(counts, over="race")
    after = groups({**counts, "C": (35_000, 100_000)}, over="race")
    found = gate(run(before, rules), run(after, rules, data="b"))
    assert found.exit_code == 1
    assert any("C / A" in reason for reason in found.reasons)


def test_runs_without_anything_in_common_are_undecided() -> None:
    assert gate(run([]), run([accuracy(0.8)], data="b")).exit_code == 3


def test_a_gap_that_turned_round_is_said_to_have_changed_sides() -> None:
    rules = policy(ratio_rule(0.5))
    found = gate(run(fair(49_000), rules), run(fair(80_000), rules, data="b"))
    said = [reason for reason in found.reasons if "F / M: worse" in reason]
    assert said
    assert all(reason.endswith("the groups changed sides.") for reason in said)


def test_a_smallest_group_is_named_by_its_attribute() -> None:
    rules = policy('measure = "data_quality.smallest_group_rows"\nminimum = 10')
    before, after = (
        [fact("data_quality.smallest_group_rows", n, over=over) for over, n in counts]
        for counts in ((("age", 100), ("sex", 200)), (("age", 50), ("sex", 200)))
    )
    found = gate(run(before, rules), run(after, rules, data="b"))
    assert [reason.split(":")[0].rpartition(", ")[2] for reason in found.reasons] == ["age"]


def test_reasons_use_the_words_that_verdicts_are_printed_with() -> None:
    rules = policy(ACCURACY)
    found = gate(run([accuracy(0.8)], rules), run([accuracy(0.5, 100)], rules, data="b"))
    assert any("was passed, now insufficient" in reason for reason in found.reasons)
