"""The gate looks at every pillar: what a remedy gains in one it may not pay with in another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from assay.annex import RunRows
from assay.compare import change_report, compare, gate, pairing_of
from assay.contracts import Evidence, Limits, Measure, MeasureSpec, MethodSpec, Policy
from assay.evidence import digest, measure_key, result_digest, snapshot_digest
from assay.policy import judge
from assay.stats.intervals import wilson_interval
from tests.compare.builders import run
from tests.policy.builders import METHODS, policy, rate

ROBUST, LATENCY, PARAMETERS = "robustness.pgd_accuracy", "cost.latency", "cost.parameters"
YARDSTICK = "cost.yardstick"


def _spec(name: str, unit: str, direction: Any) -> MeasureSpec:
    return MeasureSpec(
        id=name,
        title=name.partition(".")[2].replace("_", " ").capitalize(),
        unit=unit,
        direction=direction,
        judging="single",
        description="Tested.",
    )


def _method(name: str, pillar: Any, *measures: MeasureSpec) -> MethodSpec:
    return METHODS[0].model_copy(update={"id": name, "pillar": pillar, "measures": measures, "title": name})


ALL = (
    *METHODS,
    _method("robustness.pgd", "robustness", _spec(ROBUST, "share", "higher")),
    _method(
        "cost.inference",
        "cost",
        _spec(LATENCY, "seconds", "lower"),
        _spec(PARAMETERS, "count", "lower"),
        _spec(YARDSTICK, "ms", "none"),
    ),
    _method("privacy.loss", "privacy", _spec("privacy.membership_auc", "score", "lower")),
    _method("explainability.shapley", "explainability", _spec("explainability.importance", "share", "none")),
)
SPECS = {spec.id: spec for method in ALL for spec in method.measures}


def value(name: str, number: float, half: float | None = None, **more: Any) -> Measure:
    spec = SPECS[name]
    limits = {} if half is None else {"low": number - half, "high": number + half, "level": 0.95}
    said: dict[str, Any] = {"n": 100, "interval_method": "exact" if half is None else "normal"}
    return Measure(
        id=name,
        value=number,
        unit=spec.unit,
        direction=spec.direction,
        status="measured",
        grade="executed",
        **{**limits, **said, **more},
    )


def robust(ones: int, rows: int, eps: float = 0.03) -> Measure:
    low, high = wilson_interval(float(ones), float(rows))
    return value(ROBUST, ones / rows, 0.1, at={"eps": eps}, n=rows).model_copy(
        update={"low": low, "high": high, "interval_method": "wilson"}
    )


def evidence(
    measures: Sequence[Measure],
    rules: Policy | None = None,
    hardware: str = "2 cores",
    data: str = "a",
    yardstick: float | None = 0.5,
) -> Evidence:
    """A run; where it timed anything, it timed a fixed computation too, unless `yardstick` is None."""
    made = run([], data=data)
    if yardstick is not None and any(measure.volatile for measure in measures):
        measures = [*measures, value(YARDSTICK, yardstick, volatile=True, at={"statistic": "mean"})]
    fixed = {"policy": rules, "policy_sha256": digest(rules) if rules else None}
    verdicts, findings = judge(rules, measures, ALL) if rules else ((), ())
    made = made.model_copy(
        update={
            "plan": made.plan.model_copy(update=fixed),
            "methods": ALL,
            "measures": tuple(measures),
            "verdicts": verdicts,
            "findings": findings,
            "result_digest": result_digest(measures, ALL),
            "manifest": made.manifest.model_copy(update={"hardware": {"machine": hardware}}),
        }
    )
    return made.model_copy(update={"snapshot_digest": snapshot_digest(made)})


def kept(outcomes: np.ndarray, measure: Measure) -> RunRows:
    """Rows of which only what an attack did to them is known."""
    identity = np.arange(len(outcomes), dtype=np.uint64)
    occurrence = np.zeros(len(outcomes), np.uint32)
    return RunRows(
        identity=identity,
        occurrence=occurrence,
        label=None,
        prediction=None,
        score=None,
        attributes={},
        categories={},
        cluster=None,
        asked_identity=identity,
        asked_occurrence=occurrence,
        results={measure_key(measure): outcomes.astype(np.int8)},
    )


def test_a_remedy_that_trades_robustness_away_is_stopped() -> None:
    before = evidence([rate("performance.accuracy", 8_000, 10_000), robust(600, 1_000)])
    after = evidence([rate("performance.accuracy", 8_400, 10_000), robust(400, 1_000)], data="b")
    found = gate(before, after)
    assert found.exit_code == 1
    assert [r for r in found.reasons if r.startswith("Pgd accuracy")]
    readings = {c.id: c.reading for c in found.comparisons}
    assert readings == {"performance.accuracy": "better", ROBUST: "worse"}


def test_a_small_loss_of_robustness_is_seen_only_on_the_same_rows() -> None:
    """570 of 1,000 rows hold out against 600: 10 were won and 40 lost."""
    first = np.zeros(1_000)
    first[:600] = 1
    second = first.copy()
    second[:40], second[600:610] = 0, 1
    measures = robust(600, 1_000), robust(570, 1_000)
    before, after = (evidence([m], data=name) for m, name in zip(measures, "ab", strict=True))
    assert gate(before, after).exit_code == 3
    pairing = pairing_of(before, after, kept(first, measures[0]), kept(second, measures[1]))
    found = gate(before, after, pairing)
    assert found.exit_code == 1
    (comparison,) = found.comparisons
    assert comparison.interval_method == "paired, tango score"
    assert comparison.change == pytest.approx(-0.03)


def test_rows_that_an_attack_did_not_count_stay_out() -> None:
    first, second = np.full(1_000, -1), np.full(1_000, -1)
    first[:500], second[:500] = 1, 1
    first[400:500], second[380:500] = 0, 0
    measures = robust(400, 500), robust(380, 500)
    before, after = (evidence([m], data=name) for m, name in zip(measures, "ab", strict=True))
    pairing = pairing_of(before, after, kept(first, measures[0]), kept(second, measures[1]))
    (found,) = gate(before, after, pairing).comparisons
    assert found.interval_method == "paired, tango score"
    assert (found.before, found.after) == (0.8, 0.76)


def test_an_attacks_success_rate_counts_the_other_way_round() -> None:
    """Rows are marked 1 where the model held out, the measure is the share where it did not."""
    held = np.zeros(1_000)
    held[:700] = 1
    measure = robust(300, 1_000)
    before, after = evidence([measure]), evidence([measure], data="b")
    pairing = pairing_of(before, after, kept(held, measure), kept(held, measure))
    (found,) = gate(before, after, pairing).comparisons
    assert (found.before, found.interval_method) == (0.3, "paired, tango score")


@pytest.mark.parametrize(
    ("name", "first", "second", "half"),
    [
        ("privacy.membership_auc", 0.52, 0.60, 0.005),
        (PARAMETERS, 1_000, 1_200, None),
        (LATENCY, 0.010, 0.020, 0.001),
    ],
)
def test_a_loss_in_any_pillar_stops_the_candidate(
    name: str, first: float, second: float, half: float | None
) -> None:
    more = {"volatile": True} if name == LATENCY else {}
    before = evidence([rate("performance.accuracy", 8_000, 10_000), value(name, first, half, **more)])
    after = evidence([rate("performance.accuracy", 8_000, 10_000), value(name, second, half, **more)])
    assert gate(before, after).exit_code == 1
    assert gate(before, before).exit_code == 0


def test_a_measure_without_a_better_side_does_not_count() -> None:
    accuracy = rate("performance.accuracy", 80_000, 100_000)
    before = evidence([accuracy, value("explainability.importance", 0.2, 0.01)])
    after = evidence([accuracy, value("explainability.importance", 0.6, 0.01)])
    assert gate(before, after).exit_code == 0


def test_timings_of_other_hardware_are_shown_and_not_judged() -> None:
    rules = policy('measure = "performance.accuracy"\nminimum = 0.5')
    accuracy = rate("performance.accuracy", 80_000, 100_000)
    for chosen in (None, rules):
        before = evidence([accuracy, value(LATENCY, 0.010, 0.001, volatile=True)], chosen)
        after = evidence([accuracy, value(LATENCY, 0.030, 0.001, volatile=True)], chosen, hardware="a GPU")
        found = gate(before, after)
        assert found.exit_code == 0, found.reasons
        assert any("different hardware" in said for said in found.statements)
        (timing,) = [c for c in compare(before, after).comparisons if c.id == LATENCY]
        assert (timing.reading, timing.note) == (
            "insufficient",
            "Measured on other hardware: shown, not judged.",
        )


@pytest.mark.parametrize(
    ("yardstick", "note", "statement"),
    [
        (1.1, "The machine itself was 2.2 times slower in the later run", "2.2 times slower"),
        (0.25, "The machine itself was 2 times faster in the later run", "2 times faster"),
        (None, "Nothing tells whether the machine was as fast in both runs", None),
    ],
)
def test_timings_of_a_machine_that_was_not_as_fast_are_shown_and_not_judged(
    yardstick: float | None, note: str, statement: str | None
) -> None:
    timing = policy(f'measure = "{LATENCY}"\nmaximum = 1.0')
    parameters = value(PARAMETERS, 1_000)
    for chosen in (None, timing):
        before = evidence([parameters, value(LATENCY, 0.010, 0.001, volatile=True)], chosen)
        after = evidence(
            [parameters, value(LATENCY, 0.030, 0.001, volatile=True)], chosen, yardstick=yardstick
        )
        found = gate(before, after)
        assert not any("Latency" in reason for reason in found.reasons), found.reasons
        assert statement is None or any(statement in said for said in found.statements)
        (shown,) = [c for c in compare(before, after).comparisons if c.id == LATENCY]
        assert shown.reading == "insufficient"
        assert shown.note is not None
        assert shown.note.startswith(note)
        assert shown.note.endswith("shown, not judged.")


def test_a_machine_that_was_nearly_as_fast_has_its_timings_judged() -> None:
    before = evidence([value(LATENCY, 0.010, 0.001, volatile=True)])
    after = evidence([value(LATENCY, 0.030, 0.001, volatile=True)], yardstick=0.6)
    (found,) = gate(before, after).comparisons
    assert found.reading == "worse"


def test_the_same_timing_within_a_quarter_is_unchanged() -> None:
    before = evidence([value(LATENCY, 0.010, 0.0005, volatile=True)])
    after = evidence([value(LATENCY, 0.011, 0.0005, volatile=True)])
    (found,) = gate(before, after).comparisons
    assert (found.reading, found.tolerance) == ("unchanged", 0.0025)


def test_an_unsure_timing_stops_a_candidate_only_where_a_rule_asks_for_it() -> None:
    rules = policy('measure = "performance.accuracy"\nminimum = 0.5')
    asked = rules.rules[0].model_copy(update={"measure": LATENCY, "limits": Limits(maximum=1.0)})
    for chosen, code in ((None, 0), (rules.model_copy(update={"rules": (asked,)}), 3)):
        before = evidence([value(LATENCY, 0.010, 0.008, volatile=True)], chosen)
        after = evidence([value(LATENCY, 0.011, 0.008, volatile=True)], chosen)
        assert gate(before, after).exit_code == code


def test_a_largest_value_without_an_interval_decides_nothing() -> None:
    largest = value(LATENCY, 0.010, None, volatile=True).model_copy(update={"interval_method": None})
    accuracy = rate("performance.accuracy", 80_000, 100_000)
    found = gate(evidence([accuracy, largest]), evidence([accuracy, largest], data="b"))
    assert [c.id for c in found.comparisons] == ["performance.accuracy"]


def test_the_change_report_says_what_moved_besides_what_decided() -> None:
    rules = policy('measure = "performance.accuracy"\nminimum = 0.5')
    before = evidence([rate("performance.accuracy", 8_000, 10_000), robust(600, 1_000)], rules)
    after = evidence([rate("performance.accuracy", 8_000, 10_000), robust(400, 1_000)], rules, data="b")
    found = change_report(before, after, None, None)
    assert [c.id for c in found.decisive] == ["performance.accuracy"]
    assert [(c.id, c.reading) for c in found.moved] == [(ROBUST, "worse")]
    assert found.counts["worse"] == 1
    assert found.baseline_snapshot == before.snapshot_digest
    assert any("not kept in this installation" in said for said in found.statements)
