"""Measures made from counts by the engine's own statistics, and policies made from short texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from assay.contracts import (
    Direction,
    Finding,
    Judging,
    Measure,
    MeasureSpec,
    MethodSpec,
    Pillar,
    Policy,
    Verdict,
)
from assay.policy import judge
from assay.policy.loading import parse_policy
from assay.stats.intervals import normal_interval, wilson_interval
from assay.stats.pairwise import pairwise_differences, pairwise_ratios

Counts = Mapping[str, tuple[int, int]]
"""Group -> (successes, trials)."""


def _spec(
    name: str, unit: str, direction: Direction, judging: Judging = "single", of: str | None = None
) -> MeasureSpec:
    title = name.partition(".")[2].replace("_", " ").capitalize()
    return MeasureSpec(
        id=name, title=title, unit=unit, direction=direction, judging=judging, description="Tested.", of=of
    )


def _method(name: str, pillar: Pillar, *measures: MeasureSpec) -> MethodSpec:
    return MethodSpec(
        id=name,
        version="1",
        title=name,
        pillar=pillar,
        summary="Tested.",
        needs=(),
        tasks=("binary",),
        measures=measures,
        deterministic=True,
    )


RATES = "fairness.selection_rate"
TRUE_POSITIVES = "fairness.true_positive_rate"
METHODS: tuple[MethodSpec, ...] = (
    _method(
        "fairness.group_rates",
        "fairness",
        _spec(RATES, "share", "none"),
        _spec(f"{RATES}_difference", "difference", "even", "pairs", RATES),
        _spec(f"{RATES}_ratio", "ratio", "even", "pairs", RATES),
        _spec(f"{RATES}_range", "difference", "even", "shown", RATES),
        _spec(TRUE_POSITIVES, "share", "higher"),
        _spec(f"{TRUE_POSITIVES}_difference", "difference", "even", "pairs", TRUE_POSITIVES),
    ),
    _method(
        "performance.classification",
        "performance",
        _spec("performance.accuracy", "share", "higher"),
        _spec("performance.auc", "score", "higher"),
        _spec("performance.brier_score", "score", "lower"),
        _spec("performance.calibration_slope", "score", "even"),
    ),
    _method(
        "data_quality.basics",
        "data_quality",
        _spec("data_quality.rows", "count", "higher"),
        _spec("data_quality.missing_share", "share", "lower"),
        _spec("data_quality.leaked_share", "share", "lower"),
        _spec("data_quality.smallest_group_rows", "count", "higher"),
    ),
)
SPECS = {spec.id: spec for method in METHODS for spec in method.measures}


def measure(name: str, value: float | None, **said: Any) -> Measure:
    """One measure; status, unit and direction follow from the value and the spec."""
    spec = SPECS[name]
    said.setdefault("n", 100)
    said.setdefault("status", "measured" if value is not None else "insufficient")
    return Measure(id=name, value=value, unit=spec.unit, direction=spec.direction, grade="supplied", **said)


def rate(name: str, successes: int, trials: int, group: Mapping[str, str] | None = None) -> Measure:
    """A share with its Wilson interval, undefined without trials."""
    if trials == 0:
        return measure(name, None, slice=group or {}, n=0, note="no rows with a favourable label")
    low, high = wilson_interval(float(successes), float(trials))
    return measure(
        name,
        successes / trials,
        slice=group or {},
        low=low,
        high=high,
        level=0.95,
        interval_method="wilson",
        n=trials,
        numerator=successes,
        denominator=trials,
    )


def score(name: str, value: float, standard_error: float, **said: Any) -> Measure:
    """A value with a normal interval."""
    low, high = normal_interval(value, standard_error)
    return measure(name, value, low=low, high=high, level=0.95, interval_method="normal", **said)


def fact(name: str, value: float, **said: Any) -> Measure:
    """A value that is no estimate."""
    return measure(name, value, interval_method="exact", **said)


def groups(
    counts: Counts,
    kind: Literal["difference", "ratio"] = "ratio",
    *,
    name: str = RATES,
    over: str = "sex",
    level: float = 0.95,
) -> list[Measure]:
    """The rates of all groups of an attribute and all their pairs, as fairness.group_rates gives them."""
    slices = {label: dict(zip(over.split(" × "), label.split(", "), strict=True)) for label in counts}
    rates = [rate(name, x, n, slices[label]) for label, (x, n) in counts.items()]
    table = (pairwise_ratios if kind == "ratio" else pairwise_differences)(
        np.array([x for x, _ in counts.values()]), np.array([n for _, n in counts.values()]), level
    )
    labels = list(counts)
    pairs = []
    for k in range(len(table)):
        value, low, high = float(table.value[k]), float(table.low[k]), float(table.high[k])
        first, second = labels[table.first[k]], labels[table.second[k]]
        defined = bool(np.isfinite(value))
        pairs.append(
            measure(
                f"{name}_{kind}",
                value if defined else None,
                slice=slices[first],
                over=over,
                at={"against": second},
                low=low if defined else None,
                high=high if defined and np.isfinite(high) else None,
                level=level if defined else None,
                interval_method="pairwise" if defined else None,
                family=table.family,
                n=int(table.n[k]),
            )
        )
    return rates + pairs


def policy(*rules: str) -> Policy:
    """A policy of rules given as TOML; id, title and source have defaults."""
    text = 'id = "own"\nversion = "1"\ntitle = "Own"\npurpose = "Tests."\n'
    for number, rule in enumerate(rules, start=1):
        text += "[[rule]]\n"
        for key, default in (("id", f"r{number}"), ("title", f"Rule {number}"), ("source", "us")):
            if not any(line.split("=")[0].strip() == key for line in rule.splitlines()):
                text += f'{key} = "{default}"\n'
        text += rule + "\n"
    return parse_policy(text.encode(), "own.toml")


def verdicts(measures: list[Measure], *rules: str) -> tuple[Verdict, ...]:
    return judge(policy(*rules), measures, METHODS)[0]


def verdict(measures: list[Measure], rule: str) -> Verdict:
    """The verdict of the only rule on the only attribute."""
    (only,) = verdicts(measures, rule)
    return only


def findings(measures: list[Measure], *rules: str) -> tuple[Finding, ...]:
    return judge(policy(*rules), measures, METHODS)[1]


def ratio_rule(minimum: float = 0.8, more: str = "") -> str:
    return f'measure = "{RATES}_ratio"\nminimum = {minimum}\n{more}'


def difference_rule(maximum: float = 0.1, more: str = "") -> str:
    return f'measure = "{RATES}_difference"\nmaximum = {maximum}\n{more}'
