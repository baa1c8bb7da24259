"""Measures, series and profile of the sample evidence, computed from the counts of a hiring screen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from assay import contracts as c

SEXES = ("Male", "Female")


def wilson(x: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    centre, half = x + z * z / 2, z * math.sqrt(x * (n - x) / n + z * z / 4)
    return (centre - half) / (n + z * z), (centre + half) / (n + z * z)


def rate(id_: str, x: int, n: int, slice_: Mapping[str, str] | None = None, **more: Any) -> c.Measure:
    low, high = wilson(x, n)
    fields: dict[str, Any] = {
        "id": id_, "slice": dict(slice_ or {}), "value": x / n, "low": low, "high": high, "level": 0.95,
        "interval_method": "wilson", "n": n, "numerator": x, "denominator": n, "unit": "share",
        "direction": "none", "status": "measured", "grade": "supplied",
    }  # fmt: skip
    return c.Measure(**{**fields, **more})


def pair(id_: str, a: tuple[str, int, int], b: tuple[str, int, int], over: str, family: int) -> c.Measure:
    """Ratio or difference of two group rates with a log or Wald interval, Bonferroni over the family."""
    (first, x1, n1), (second, x2, n2) = sorted((a, b), key=lambda g: g[1] / g[2])
    z = 1.959964 + 0.35 * math.log(family)
    p, q = (x1 + 0.5) / (n1 + 1), (x2 + 0.5) / (n2 + 1)
    if id_.endswith("_ratio"):
        value, half = p / q, z * math.sqrt((1 - p) / (n1 * p) + (1 - q) / (n2 * q))
        low, high, unit = value * math.exp(-half), value * math.exp(half), "ratio"
    else:
        first, second = second, first
        value, half = q - p, z * math.sqrt(p * (1 - p) / n1 + q * (1 - q) / n2)
        low, high, unit = value - half, value + half, "difference"
    names = over.split(" × ")
    slice_ = dict(zip(names, first.split(", "), strict=False)) if len(names) > 1 else {over: first}
    return c.Measure(
        id=id_, slice=slice_, over=over, at={"against": second}, value=value, low=low, high=high, level=0.95,
        interval_method="score, Bonferroni", family=family, n=n1 + n2, unit=unit, direction="even",
        status="measured", grade="supplied",
    )  # fmt: skip


def total(values: Any) -> tuple[int, int]:
    pairs = list(values)
    return sum(a for a, _ in pairs), sum(b for _, b in pairs)


def performance(x: int, n: int, with_scores: bool) -> list[c.Measure]:
    rows = [
        rate("performance.accuracy", round(n * 0.853), n, direction="higher"),
        rate("performance.precision", round(x * 0.741), x, direction="higher"),
        rate("performance.recall", round(n * 0.236 * 0.61), round(n * 0.236), direction="higher"),
        rate("performance.base_rate", round(n * 0.236), n),
        rate("performance.selection_rate", x, n),
    ]
    if with_scores:
        score = {"unit": "score", "numerator": None, "denominator": None, "interval_method": "DeLong"}
        rows += [
            rate("performance.auc", round(n * 0.905), n, direction="higher", **score),
            rate("performance.brier_score", round(n * 0.103), n, direction="lower", **score),
            rate("performance.calibration_error", round(n * 0.0124), n, direction="lower", **score),
        ]
    return rows


def fairness(over: str, groups: Mapping[str, tuple[int, int]]) -> list[c.Measure]:
    names = over.split(" × ")
    rows: list[c.Measure] = []
    for group, (x, n) in groups.items():
        key = dict(zip(names, group.split(", "), strict=False)) if len(names) > 1 else {over: group}
        positives = max(1, round(n * 0.2))
        rows += [
            rate("fairness.selection_rate", x, n, key),
            rate("fairness.true_positive_rate", round(positives * (0.45 + x / n)), positives, key),
            rate("fairness.false_positive_rate", round((n - positives) * x / n * 0.35), n - positives, key),
            rate("fairness.positive_predictive_value", round(max(1, x) * 0.72), max(1, x), key),
        ]
    rows.append(
        c.Measure(id="fairness.negative_predictive_value", slice=key, value=None, n=0, unit="share",
                  direction="none", status="insufficient", grade="supplied",
                  note="no rows with a negative prediction")
    )  # fmt: skip
    items = [(g, x, n) for g, (x, n) in groups.items()]
    pairs = [(a, b) for i, a in enumerate(items) for b in items[i + 1 :]]
    for id_ in ("fairness.selection_rate_ratio", "fairness.true_positive_rate_difference"):
        rows += [pair(id_, a, b, over, len(pairs)) for a, b in pairs]
    rates = [x / n for x, n in groups.values()]
    shown = {"over": over, "unit": "difference", "numerator": None, "denominator": None}
    value = max(rates) - min(rates)
    rows.append(
        rate("fairness.selection_rate_range", 1, 2, **shown, value=value, low=value * 0.8, high=value * 1.2)
    )
    for case, factor in (("worst", 0.8), ("best", 1.15)):
        rows.append(
            rate("fairness.selection_rate_ratio_bound", 1, 2, {names[0]: "any"}, over=over, at={"case": case},
                 unit="ratio", value=min(rates) / max(rates) * factor, low=None, high=None,
                 numerator=None, denominator=None)
        )  # fmt: skip
    return rows


def data_quality(by: Mapping[str, Any], columns: Sequence[str], n: int) -> list[c.Measure]:
    rows = [
        c.Measure(id="data_quality.rows", value=n, n=n, unit="count", direction="none", status="measured",
                  grade="supplied", interval_method="exact"),
        rate("data_quality.duplicate_share", 24, n),
    ]  # fmt: skip
    for column, missing in (("workclass", 963), ("occupation", 966), (columns[1], 12), (columns[0], 0)):
        rows.append(rate("data_quality.missing_share", missing, n, {"column": column}))
    for over in columns:
        for group, (_, size) in by[over].items():
            rows.append(rate("data_quality.group_share", size, n, {over: group}))
    return rows


def _column(name: str, values: tuple[Any, ...]) -> c.SeriesColumn:
    return c.SeriesColumn(name=name, unit="share", values=values)


def series(n: int) -> tuple[c.Series, ...]:
    grid = [i / 60 for i in range(61)]
    tpr = [f ** (1 / 4.2) for f in grid]
    method = "performance.classification"
    bins = [(0.05 + 0.1 * i, max(0.01, 0.05 + 0.1 * i + 0.03 * math.sin(i))) for i in range(10)]

    def series(
        id_: str, title: str, slice_: Mapping[str, str] | None = None, **columns: Sequence[Any]
    ) -> c.Series:
        return c.Series(id=id_, title=title, method=method, slice=dict(slice_ or {}),
                        columns=tuple(_column(k, tuple(v)) for k, v in columns.items()))  # fmt: skip

    reliability = {
        "mean_score": [a for a, _ in bins], "observed_rate": [b for _, b in bins],
        "low": [max(0, b - 0.04) for _, b in bins], "high": [min(1, b + 0.04) for _, b in bins],
        "n": [n // 10] * 10,
    }  # fmt: skip
    return (
        series("performance.roc", "ROC curve", false_positive_rate=grid, true_positive_rate=tpr,
               threshold=[1 - f for f in grid]),
        series("performance.precision_recall", "Precision and recall", recall=grid,
               precision=[0.95 - 0.7 * r**3 for r in grid], threshold=[1 - f for f in grid]),
        series("performance.reliability", "Reliability", **reliability),
        series("performance.thresholds", "Thresholds", threshold=grid,
               selection_rate=[(1 - t) ** 2 for t in grid],
               true_positive_rate=[1 - t**2 for t in grid], false_positive_rate=[(1 - t) ** 4 for t in grid],
               precision=[0.24 + 0.7 * t for t in grid]),
        series("performance.confusion", "Confusion matrix", actual=["<=50K", "<=50K", ">50K", ">50K"],
               predicted=["<=50K", ">50K", "<=50K", ">50K"], count=[11652, 840, 1553, 2236]),
        *(series("fairness.reliability", f"Reliability, {s}", {"sex": s}, **reliability) for s in SEXES),
    )  # fmt: skip


def profile(columns: Sequence[str], by: Mapping[str, Any], n: int, note: str, scores: bool) -> c.Profile:
    def category(name: str, groups: Mapping[str, tuple[int, int]], missing: int = 0) -> c.ColumnSummary:
        return c.ColumnSummary(name=name, kind="category", rows=n, missing=missing, distinct=len(groups),
                               categories=tuple(groups),
                               counts=tuple(size for _, size in groups.values()))  # fmt: skip

    summaries = [
        category(columns[0], by[columns[0]]), category(columns[1], by[columns[1]], 12),
        category("income", {"<=50K": (0, 12435), ">50K": (0, 3846)}),
        category("predicted", {"<=50K": (0, 13205), ">50K": (0, 3076)}),
        c.ColumnSummary(name="age", kind="number", rows=n, missing=0, distinct=73,
                        minimum=17, maximum=90, mean=38.77),
    ]  # fmt: skip
    return c.Profile(
        modality="table", grade="supplied",
        signature=c.Signature(task="binary", output="probability" if scores else "label",
                              classes=("<=50K", ">50K"), favourable=">50K", favourable_inferred=True,
                              threshold=0.5 if scores else None),
        capabilities=("predictions", "labels", "sensitive"),
        roles=c.Roles(label="income", prediction="predicted", score="score" if scores else None,
                      sensitive=tuple(columns), features=("age", "workclass")),
        datasets=(c.DatasetProfile(role="test", name="adult-test.csv", sha256="ab" * 32, rows=n,
                                   columns=tuple(summaries)),),
        notes=(note, 'The favourable class ">50K" was inferred: the rarer of the two.'),
    )  # fmt: skip
