"""Rules on gaps and ratios between groups: pair by pair, both ways round."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assay.contracts import Limits, Measure
from assay.policy.reading import limit_bounds, read
from tests.policy.builders import (
    RATES,
    SPECS,
    TRUE_POSITIVES,
    Counts,
    difference_rule,
    groups,
    rate,
    ratio_rule,
    verdict,
    verdicts,
)


@pytest.mark.parametrize(
    ("counts", "outcome"),
    [
        ({"Female": (500, 1000), "Male": (510, 1000)}, "pass"),
        ({"Female": (420, 1000), "Male": (500, 1000)}, "insufficient"),
        ({"Female": (360, 1000), "Male": (900, 1000)}, "fail"),
    ],
)
def test_one_pair_passes_fails_or_stays_open(counts: Counts, outcome: str) -> None:
    assert verdict(groups(counts), ratio_rule()).outcome == outcome


def test_a_target_warns_inside_the_limit() -> None:
    counts = {"Female": (4250, 5000), "Male": (4900, 5000)}
    found = verdict(groups(counts), ratio_rule(0.8, "target_minimum = 0.9"))
    assert found.outcome == "warn"
    assert "not wholly inside the target ≥ 0.90" in found.sentence


def test_one_failing_pair_fails_the_rule_and_the_worst_is_quoted() -> None:
    counts = {"A": (500, 1000), "B": (500, 1000), "C": (300, 1000), "D": (200, 1000)}
    found = verdict(groups(counts, over="race"), ratio_rule())
    assert found.outcome == "fail"
    assert found.subject in ("D / A", "D / B")
    assert found.value == pytest.approx(0.4)
    assert (found.judged, found.failed, len(found.undecided)) == (6, 4, 1)
    assert found.sentence.endswith("is wholly below the limit 0.80. 4 of 6 pairs failed, 1 undecided.")


def test_one_undecided_pair_keeps_the_rule_from_passing() -> None:
    counts = {"A": (5000, 10_000), "B": (5000, 10_000), "C": (9, 20)}
    found = verdict(groups(counts, over="race"), ratio_rule())
    assert found.outcome == "insufficient"
    assert len(found.undecided) == 2
    assert {entry.group for entry in found.undecided} == {"C"}
    assert all(entry.rows_needed for entry in found.undecided)
    assert "2 of 3 pairs undecided: about " in found.sentence
    assert 'more rows of "C" would settle them' in found.sentence


def test_the_rows_named_do_settle_the_pair() -> None:
    counts = {"A": (50_000, 100_000), "B": (50, 100)}
    (entry,) = verdict(groups(counts), ratio_rule()).undecided
    assert entry.rows_needed is not None
    rows = 100 + entry.rows_needed
    grown = {"A": (50_000, 100_000), "B": (-(-rows // 2), rows)}
    assert verdict(groups(grown), ratio_rule()).outcome == "pass"
    fewer = 100 + entry.rows_needed // 2
    short = {"A": (50_000, 100_000), "B": (fewer // 2, fewer)}
    assert verdict(groups(short), ratio_rule()).outcome == "insufficient"


def test_where_one_group_cannot_settle_it_both_must_grow() -> None:
    # even without any error of its own, B cannot make up for A's
    counts = {"A": (50, 100), "B": (47, 99)}
    (entry,) = verdict(groups(counts, "difference"), difference_rule()).undecided
    assert entry.group is not None
    assert entry.group.endswith("together")
    assert entry.rows_needed is not None
    assert entry.rows_needed > 100


def test_rows_are_counted_in_people_not_in_labelled_cases() -> None:
    # a tenth of each group's rows carry the favourable label, so ten times as many must come
    pairs = groups({"A": (5000, 10_000), "B": (50, 100)}, "difference", name=TRUE_POSITIVES)
    rule = f'measure = "{TRUE_POSITIVES}_difference"\nmaximum = 0.1'
    (alone,) = verdict(pairs, rule).undecided
    sizes = [rate(RATES, 500, 100_000, {"sex": "A"}), rate(RATES, 500, 1000, {"sex": "B"})]
    (whole,) = verdict([*sizes, *pairs], rule).undecided
    assert alone.rows_needed is not None
    assert whole.rows_needed == 10 * alone.rows_needed


def test_groups_below_the_minimum_are_shown_only() -> None:
    counts = {"A": (5000, 10_000), "B": (5000, 10_000), "C": (9, 20)}
    found = verdict(groups(counts, over="race"), ratio_rule(0.8, "minimum_n = 30"))
    assert found.outcome == "pass"
    assert found.shown_only == ("C",)
    assert found.judged == 1
    assert 'Shown only, under 30 rows: "C".' in found.sentence


def test_nothing_passes_when_every_group_is_too_small() -> None:
    found = verdict(groups({"A": (9, 20), "B": (9, 20)}), ratio_rule(0.8, "minimum_n = 30"))
    assert found.outcome == "insufficient"
    assert found.decisive is None
    assert "nothing was judged" in found.sentence


def test_a_group_without_a_rate_blocks_pass_until_a_minimum_sets_it_aside() -> None:
    counts = {"A": (5000, 10_000), "B": (5000, 10_000), "C": (0, 0)}
    pairs = groups(counts, "difference", name=TRUE_POSITIVES)
    rule = f'measure = "{TRUE_POSITIVES}_difference"\nmaximum = 0.1'
    blocked = verdict(pairs, rule)
    assert blocked.outcome == "insufficient"
    assert [entry.group for entry in blocked.undecided] == ["C"]
    assert verdict(pairs, rule + "\nminimum_n = 30").outcome == "pass"


def test_two_rates_of_zero_leave_their_ratio_undecided() -> None:
    found = verdict(groups({"A": (0, 500), "B": (0, 500)}), ratio_rule())
    assert found.outcome == "insufficient"
    assert found.value is None


def test_attributes_get_verdicts_of_their_own() -> None:
    measures = groups({"F": (360, 1000), "M": (900, 1000)}) + groups(
        {"Black": (5000, 10_000), "White": (5000, 10_000)}, over="race"
    )
    found = verdicts(measures, ratio_rule())
    assert [(v.over, v.outcome) for v in found] == [("sex", "fail"), ("race", "pass")]


def test_over_picks_attributes_and_intersections() -> None:
    sex = groups({"F": (500, 1000), "M": (500, 1000)})
    both = groups({"B, F": (500, 1000), "W, M": (500, 1000)}, over="race × sex")

    def overs(over: str) -> list[str | None]:
        return [v.over for v in verdicts(sex + both, ratio_rule(0.8, f"over = {over}"))]

    assert overs('"*"') == ["sex"]
    assert overs('"* × *"') == ["race × sex"]
    assert overs('["sex × race"]') == ["race × sex"]
    assert overs('["sex", "race × sex"]') == ["sex", "race × sex"]
    missing = verdict(sex, ratio_rule(0.8, 'over = ["age"]'))
    assert missing.outcome == "not_tested"
    assert "over age" in missing.sentence


def test_a_slice_picks_the_pairs_of_one_group() -> None:
    counts = {"A": (500, 1000), "B": (500, 1000), "C": (200, 1000)}
    found = verdict(groups(counts, over="race"), ratio_rule(0.8, 'slice = { race = "A" }'))
    assert found.judged == 2
    assert found.subject == "C / A"


def turned(pair: Measure) -> Measure:
    """The same pair with its groups in the other order."""
    assert pair.value is not None
    against = str(pair.at["against"])
    swapped: dict[str, object] = {
        "slice": dict(zip(pair.slice, against.split(", "), strict=True)),
        "at": {"against": ", ".join(pair.slice.values())},
    }
    if pair.unit == "difference":
        assert pair.low is not None
        assert pair.high is not None
        swapped |= {"value": -pair.value, "low": -pair.high, "high": -pair.low}
    else:
        swapped |= {
            "value": 1 / pair.value,
            "low": 1 / pair.high if pair.high else 0.0,
            "high": 1 / pair.low if pair.low else None,
        }
    return Measure(**{**pair.model_dump(), **swapped})


counted = st.tuples(st.integers(1, 400), st.integers(0, 400)).map(lambda xs: (xs[0], xs[0] + xs[1]))


@settings(max_examples=60, deadline=None)
@given(st.lists(counted, min_size=2, max_size=4), st.sampled_from(["difference", "ratio"]), st.data())
def test_no_verdict_hangs_on_the_order_of_the_groups(
    counts: list[tuple[int, int]], kind: str, data: st.DataObject
) -> None:
    named = {f"g{i}": pair for i, pair in enumerate(counts)}
    rule = ratio_rule(0.8, "target_minimum = 0.9") if kind == "ratio" else difference_rule(0.1)
    measures = groups(named, kind)  # type: ignore[arg-type]
    plain = verdict(measures, rule)
    order = data.draw(st.permutations(list(named)))
    permuted = verdict(groups({label: named[label] for label in order}, kind), rule)  # type: ignore[arg-type]
    assert permuted.outcome == plain.outcome
    assert permuted.failed == plain.failed
    swapped = verdict([turned(m) if m.over else m for m in measures], rule)
    assert swapped.outcome == plain.outcome
    assert swapped.failed == plain.failed


@pytest.mark.parametrize("limit", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("base", [0.05, 0.3, 0.5])
def test_two_groups_exactly_at_the_limit_fail_in_at_most_5_percent_of_audits(
    limit: float, base: float
) -> None:
    # exact enumeration of both binomials; `read` is what every pair of a verdict goes through
    rows = 40
    first, second = (stats.binom.pmf(range(rows + 1), rows, p) for p in (base + limit, base))
    spec = SPECS[f"{RATES}_difference"]
    accepted = limit_bounds(Limits(maximum=limit), spec)
    failing = 0.0
    for a, b in itertools.product(range(rows + 1), repeat=2):
        weight = float(first[a] * second[b])
        if abs(a - b) / rows > limit and weight > 1e-7:
            pair = groups({"A": (a, rows), "B": (b, rows)}, "difference")[-1]
            failing += weight * (read(pair, accepted, None, spec.unit).reading == "fail")
    assert 0 < failing <= 0.05
