"""Figures of the chapters on explanations: what the output rests on, and whether removing it shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.contracts import Measure, Series
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, number_column
from assay.report.document.model import Block, Figure, text

__all__ = ["explainability_blocks"]

Values = dict[str, Sequence[Any]]


def explainability_blocks(book: Book, method: str, measures: Sequence[Measure]) -> list[Block]:
    """A sentence, bars of the features with intervals, and the deletion curve beside a random order."""
    blocks: list[Block] = [text(said) for said in _answers(method, measures)]
    for series in book.evidence.series:
        if series.id == f"{method}.attribution" and series.method == method:
            blocks.append(_bars(book, series, measures))
        elif series.id == f"{method}.deletion" and series.method == method:
            blocks.append(_deletion(book, series))
    return blocks


def _answers(method: str, measures: Sequence[Measure]) -> list[str]:
    found = {m.id: m for m in measures if m.value is not None}
    said = []
    strongest = found.get(f"{method}.largest_share")
    if strongest is not None:
        name = f" ({strongest.note})" if strongest.note else ""
        said.append(f"The strongest feature{name} carries {_share(strongest)} of all attribution.")
    sensitive = [m for m in measures if m.id == f"{method}.sensitive_share" and m.value is not None]
    if sensitive:
        parts = [f"{m.at.get('attribute', 'sensitive attributes')} {_share(m)}" for m in sensitive]
        said.append(f"Direct use of sensitive attributes: {'; '.join(parts)}.")
    gain = found.get(f"{method}.deletion_gain")
    if gain is not None and gain.low is not None and gain.high is not None:
        if gain.low > 0:
            said.append("Replacing what it names first changes the output sooner than a random order does.")
        elif gain.high < 0:
            said.append("Do not rely on this order: a random one changes the output sooner.")
        else:
            said.append("Whether its order of features is better than a random one cannot be told.")
    return said


def _share(m: Measure) -> str:
    return f"{fmt.value(m.value, m.unit)} ({fmt.measured_interval(m)})"


def _values(series: Series) -> Values:
    return {found.name: found.values for found in series.columns}


def _bars(book: Book, series: Series, measures: Sequence[Measure]) -> Figure:
    values = _values(series)
    unit = series.columns[1].unit
    rows = [
        {
            "label": str(name),
            "value": value,
            "low": low,
            "high": high,
            "outcome": "shown",
            "text": fmt.value(value, unit),
            "limit": None,
            "target": None,
        }
        for name, value, low, high in zip(
            values["feature"], values["mean_absolute"], values["low"], values["high"], strict=True
        )
    ]
    named = {str(m.at["feature"]): m for m in measures if "feature" in m.at}
    words = ", ".join(f"{row['label']} {row['text']}" for row in rows[:6])
    note = f" {series.note}" if series.note else ""
    return book.figure(
        f"{series.title}, strongest first, with intervals over the explained rows.{note}",
        f"{series.title}: {words}{' …' if len(rows) > 6 else ''}.",
        {
            "kind": "intervals",
            "rows": rows,
            "lines": [],
            "bounds": [0.0, None],
            "parity": 0.0,
            "title": unit,
            "words": False,
        },
        [column("Feature"), number_column("Mean"), number_column("Interval")],
        [[row["label"], row["text"], fmt.interval(row["low"], row["high"], unit)] for row in rows],
        [series, *(named[row["label"]] for row in rows if row["label"] in named)],
    )


def _deletion(book: Book, series: Series) -> Figure:
    values = _values(series)
    removed = [float(share) for share in values["removed"]]
    unit = series.columns[1].unit
    names = {"change": "strongest first", "random_change": "random order"}
    lines = [
        {
            "name": said,
            "x": removed,
            "y": list(values[name]),
            "low": list(values[f"{name}_low"]),
            "high": list(values[f"{name}_high"]),
            "points": True,
        }
        for name, said in names.items()
    ]
    drawn = [v for line in lines for key in ("y", "high") for v in line[key] if v is not None]  # type: ignore[attr-defined]  # mypy widens the dict
    rows = [
        [fmt.value(share), fmt.value(a, unit), fmt.interval(low, high, unit), fmt.value(b, unit)]
        for share, a, low, high, b in zip(
            removed,
            values["change"],
            values["change_low"],
            values["change_high"],
            values["random_change"],
            strict=True,
        )
    ]
    note = f" {series.note}" if series.note else ""
    return book.figure(
        f"{series.title}.{note} The further the first line lies above the second, the better the order.",
        "Change of the output when a share of the features is replaced, strongest first against random: "
        + "; ".join(f"at {row[0]} {row[1]} against {row[3]}" for row in rows[1:6])
        + ".",
        {
            "kind": "curves",
            "lines": lines,
            "x_title": "share replaced",
            "y_title": f"change, {unit}",
            "x": [0.0, max(removed[-1], 1e-9)],
            "y": [min(0.0, *(v for v in values["change_low"] if v is not None)), max([*drawn, 1e-9]) * 1.05],
            "diagonal": False,
            "rule": None,
        },
        [
            number_column("Replaced"),
            number_column("Strongest first"),
            number_column("Interval"),
            number_column("Random order"),
        ],
        rows,
        [series],
    )
