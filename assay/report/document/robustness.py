"""Figures of the chapters on robustness: accuracy over the attack's budget, and over each kind of noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.contracts import Measure, Series
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, number_column
from assay.report.document.model import Block, Cell, Figure, heading, text

__all__ = ["has_own_table", "robustness_blocks"]

Values = dict[str, list[Any]]


_BY_BUDGET = {
    "robustness.robust_accuracy": "Accuracy",
    "robustness.attack_success_rate": "Attack success",
    "robustness.single_step_excess": "One step − many",
    "robustness.random_noise_excess": "Noise − attack",
}
_BY_NOISE = {
    "robustness.noisy_accuracy": "Accuracy",
    "robustness.noise_accuracy_drop": "Accuracy lost",
    "robustness.steady_accuracy": "Right in every draw",
    "robustness.changed_decisions": "Decisions changed",
}


def has_own_table(measure: Measure) -> bool:
    """Whether the measure stands in a table by setting, one row a budget or a severity."""
    return bool(measure.at) and (measure.id in _BY_BUDGET or measure.id in _BY_NOISE)


def robustness_blocks(book: Book, method: str, measures: Sequence[Measure]) -> list[Block]:
    """The figures of one method of robustness, from its series, and its measures by setting."""
    mine = [series for series in book.evidence.series if series.method == method]
    budgets = [_budget(book, series) for series in mine if series.id == "robustness.accuracy_over_budget"]
    noises: list[Block] = [_noise(book, series) for series in mine if series.id == "robustness.noise_curve"]
    blocks: list[Block] = [text(said) for said in _answers(measures)]
    alarms = [m for m in measures if m.id == "robustness.gradient_masking_alarms" and m.value]
    blocks += [text(f"Do not rely on this accuracy: gradients look masked ({m.note}).") for m in alarms]
    if budgets:
        blocks += [heading("Accuracy over the budget of the attack"), *budgets]
        blocks += _by_setting(book, "By budget", _BY_BUDGET, measures)
    if noises:
        blocks += [heading("Noise by noise"), *noises]
        blocks += _by_setting(book, "By kind and severity of noise", _BY_NOISE, measures)
    return blocks


def _answers(measures: Sequence[Measure]) -> list[str]:
    """What was found, in a sentence a method."""
    found = {m.id: m for m in measures if m.value is not None}
    said = []
    clean = found.get("robustness.clean_accuracy")
    worst = found.get("robustness.robust_accuracy")  # the last: budgets rise
    if clean is not None and worst is not None:
        said.append(
            f"Without attack {_share(clean)} of rows are decided rightly; under attack within "
            f"{' '.join(_written(name, value) for name, value in worst.at.items())}, {_share(worst)} are."
        )
    before = found.get("robustness.unperturbed_accuracy")
    added = found.get("robustness.relative_corruption_error")
    if before is not None and added is not None:
        said.append(
            f"Without noise {_share(before)} of rows are decided rightly; noise of these kinds and "
            f"severities costs {_share(added)} of rows on average."
        )
    return said


def _share(m: Measure) -> str:
    return f"{fmt.value(m.value, m.unit)} ({fmt.measured_interval(m)})"


def _by_setting(
    book: Book, caption: str, titles: Mapping[str, str], measures: Sequence[Measure]
) -> list[Block]:
    """One row a setting, one column a measure, each value with its interval below and its id."""
    found = {m.id: m for m in measures if m.id in titles and m.at}
    shown = [name for name in titles if name in found]
    rows: dict[tuple[tuple[str, str | int | float], ...], dict[str, Measure]] = {}
    for m in measures:
        if m.id in shown:
            rows.setdefault(tuple(m.at.items()), {})[m.id] = m
    table: list[list[Cell | str]] = []
    for setting, cells in rows.items():
        row: list[Cell | str] = [" ".join(_written(name, value) for name, value in setting)]
        for name in shown:
            cell = cells.get(name)
            row.append("–" if cell is None else _cell(book, cell))
        table.append(row)
    columns = [column("Setting", 1.2), *(number_column(titles[name]) for name in shown)]
    return [book.table(caption, columns, table, sources=[m for m in measures if m.id in shown])]


def _written(name: str, value: str | int | float) -> str:
    """ "eps 0.1 in standard deviations"; "gaussian 0.25"."""
    shown = value if isinstance(value, str) else f"{value:.4g}"
    return f"{name} {shown}" if name in ("eps", "in") else shown


def _cell(book: Book, m: Measure) -> Cell:
    if m.value is None:
        return {"text": m.status.replace("_", " "), "sub": book.short(m)}
    return {"text": fmt.value(m.value, m.unit), "sub": f"{fmt.measured_interval(m)} · {book.short(m)}"}


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
