"""Figures of the chapters on robustness: accuracy over the attack's budget, and over each kind of noise."""

from __future__ import annotations

from typing import Any

from assay.contracts import Series
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, number_column
from assay.report.document.model import Block, Figure, heading

__all__ = ["robustness_blocks"]

Values = dict[str, list[Any]]


def robustness_blocks(book: Book, method: str) -> list[Block]:
    """The figures of one method of robustness, from its series."""
    mine = [series for series in book.evidence.series if series.method == method]
    budgets = [_budget(book, series) for series in mine if series.id == "robustness.accuracy_over_budget"]
    noises: list[Block] = [_noise(book, series) for series in mine if series.id == "robustness.noise_curve"]
    blocks: list[Block] = [heading("Accuracy over the budget of the attack"), *budgets] if budgets else []
    return [*blocks, heading("Noise by noise"), *noises] if noises else blocks


def _values(series: Series) -> Values:
    return {found.name: list(found.values) for found in series.columns}


def _unit(series: Series) -> str:
    return series.columns[0].unit


def _curve(name: str, x: list[Any], y: list[Any], low: Any = None, high: Any = None) -> dict[str, Any]:
    return {"name": name, "x": x, "y": y, "low": low, "high": high, "points": low is not None}


def _level(name: str, x: list[Any], value: float | None) -> dict[str, Any]:
    """A line at one height from end to end, without marks."""
    return {**_curve(name, [x[0], x[-1]], [value, value]), "points": False}


def _chart(lines: list[dict[str, Any]], x: list[Any], x_title: str, y_title: str) -> dict[str, Any]:
    return {
        "kind": "curves",
        "lines": lines,
        "x_title": x_title,
        "y_title": y_title,
        "x": [0.0, x[-1]],
        "y": [0.0, 1.0],
        "diagonal": False,
        "rule": None,
    }


def _budget(book: Book, series: Series) -> Figure:
    values = _values(series)
    eps, accuracy = values["eps"], values["robust_accuracy"]
    clean = accuracy[0]
    lines = [
        _curve("under attack", eps, accuracy, values["low"], values["high"]),
        _level("without attack", eps, clean),
    ]
    words = "; ".join(
        f"{fmt.value(a, 'share')} at {fmt.value(e, 'eps')}"
        for e, a in zip(eps[1:], accuracy[1:], strict=True)
    )
    rows = [
        [
            fmt.value(e, "eps") if e else "none",
            fmt.value(a, "share"),
            fmt.interval(low, high, "share"),
            fmt.value(success, "share"),
        ]
        for e, a, low, high, success in zip(
            eps,
            accuracy,
            values["low"],
            values["high"],
            values["attack_success_rate"],
            strict=True,
        )
    ]
    return book.figure(
        "Accuracy under attack over the budget, with intervals; the dashed line is the accuracy without "
        "attack. An upper bound: a better attack can only find more.",
        f"Accuracy {fmt.value(clean, 'share')} without attack; under attack {words} "
        f"(eps in {_unit(series)}).",
        _chart(lines, eps, f"eps, {_unit(series)}", "accuracy"),
        [
            number_column("eps"),
            number_column("Accuracy"),
            number_column("Interval"),
            number_column("Attack success"),
        ],
        rows,
        [series],
    )


def _noise(book: Book, series: Series) -> Figure:
    values, kind = _values(series), series.slice["noise"]
    severity, measured = values["severity"], "accuracy" if "accuracy" in values else "changed"
    y, low, high = values[measured], values[f"{measured}_low"], values[f"{measured}_high"]
    name = "accuracy" if measured == "accuracy" else "decisions changed"
    lines = [_curve(name, severity, y, low, high)]
    if measured == "accuracy":
        lines.append(_level("without noise", severity, y[0]))
    rows = [
        [
            fmt.value(s, "severity") if s else "none",
            fmt.value(a, "share"),
            fmt.interval(lower, upper, "share"),
            fmt.value(changed, "share"),
        ]
        for s, a, lower, upper, changed in zip(severity, y, low, high, values["changed"], strict=True)
    ]
    words = "; ".join(f"{row[1]} at {row[0]}" for row in rows[1:])
    return book.figure(
        f"{kind.capitalize()}: {name} over severity.",
        f"{name.capitalize()} {fmt.value(y[0], 'share')} without noise; {words} ({_unit(series)}).",
        _chart(lines, severity, _unit(series), "share of rows"),
        [
            column("Severity"),
            number_column(name.capitalize()),
            number_column("Interval"),
            number_column("Decisions changed"),
        ],
        rows,
        [series],
        half=True,
    )
