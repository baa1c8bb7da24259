"""Figures drawn from series: ROC, precision and recall, thresholds, reliability, confusion matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from assay.contracts import Series
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, number_column
from assay.report.document.model import Block, Figure

__all__ = ["group_reliability", "series_blocks"]

Values = dict[str, list[Any]]
_SHOWN_ROWS = 40
"""Rows of a curve in its data table; the whole curve stands in evidence.json."""


def _values(series: Series, *names: str) -> Values | None:
    """The columns of a series by name, or None when one of `names` is missing or it has no point."""
    columns = {c.name: list(c.values) for c in series.columns}
    if not set(names) <= columns.keys() or not columns[names[0]]:
        return None
    return columns


def _line(name: str, values: Values, x: str, y: str, *, points: bool = False) -> dict[str, Any]:
    bounds = points and "low" in values and "high" in values
    return {
        "name": name,
        "x": values[x],
        "y": values[y],
        "low": values["low"] if bounds else None,
        "high": values["high"] if bounds else None,
        "points": points,
    }


def _curves(lines: list[dict[str, Any]], x_title: str, y_title: str, **more: Any) -> dict[str, Any]:
    chart = {"kind": "curves", "lines": lines, "x_title": x_title, "y_title": y_title}
    return {**chart, "x": [0.0, 1.0], "y": [0.0, 1.0], "diagonal": False, "rule": None, **more}


def _rows(values: Values, names: Sequence[str]) -> list[list[str]]:
    total = len(values[names[0]])
    step = max(1, -(-total // _SHOWN_ROWS))
    return [
        [fmt.count(v[i]) if n == "n" else fmt.value(v[i]) for n, v in ((n, values[n]) for n in names)]
        for i in range(0, total, step)
    ]


def _headed(names: Sequence[str]) -> list[Any]:
    return [number_column(name.replace("_", " ")) for name in names]


def _roc(book: Book, series: Series, values: Values) -> Figure:
    names = ("false_positive_rate", "true_positive_rate", "threshold")
    return book.figure(
        "ROC curve. The dashed line is a coin toss.",
        "True positive rate over false positive rate at every threshold.",
        _curves(
            [_line("ROC", values, *names[:2])], "false positive rate", "true positive rate", diagonal=True
        ),
        _headed(names),
        _rows(values, names),
        [series],
        half=True,
    )


def _precision_recall(book: Book, series: Series, values: Values) -> Figure:
    names = ("recall", "precision", "threshold")
    return book.figure(
        "Precision over recall.",
        "Precision over recall at every threshold.",
        _curves([_line("precision", values, *names[:2])], "recall", "precision"),
        _headed(names),
        _rows(values, names),
        [series],
        half=True,
    )


def _reliability(book: Book, series: Series, values: Values) -> Figure:
    names = [n for n in ("mean_score", "observed_rate", "low", "high", "n") if n in values]
    return book.figure(
        "Reliability with 95% intervals: on the dashed line, scores mean what they say.",
        "Observed rate over mean score, in bins of the score, beside the line of perfect calibration.",
        _curves(
            [_line("all rows", values, "mean_score", "observed_rate", points=True)],
            "mean score",
            "observed rate",
            diagonal=True,
        ),
        _headed(names),
        _rows(values, names),
        [series],
        half=True,
    )


def _thresholds(book: Book, series: Series, values: Values) -> Figure:
    rates = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision")
    names = ["threshold", *(r for r in rates if r in values)]
    known = [t for t in values["threshold"] if t is not None]
    used = book.evidence.subject.signature.threshold
    rule = None if used is None else {"value": used, "label": f"used: {fmt.value(used, 'ratio')}"}
    lines = [_line(r.replace("_", " "), values, "threshold", r) for r in names[1:]]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    return book.figure(
        "What another threshold would do.",
        f"{', '.join(n.replace('_', ' ') for n in names[1:])} over the decision threshold.",
        _curves(lines, "threshold", "share", x=[low, high], rule=rule),
        _headed(names),
        _rows(values, names),
        [series],
    )


def _confusion(book: Book, series: Series, values: Values) -> Figure | None:
    classes = list(dict.fromkeys([str(v) for v in [*values["actual"], *values["predicted"]]]))
    if len(classes) > 8:
        return None
    found = {
        (str(a), str(p)): int(n or 0)
        for a, p, n in zip(values["actual"], values["predicted"], values["count"], strict=True)
    }
    grid = []
    for actual in classes:
        total = sum(found.get((actual, p), 0) for p in classes)
        line = []
        for predicted in classes:
            n = found.get((actual, predicted), 0)
            share = n / total if total else 0.0
            line.append({"share": share, "text": fmt.count(n), "sub": f"{share:.1%} of row"})
        grid.append(line)
    rows = [[a, p, fmt.count(found.get((a, p), 0))] for a in classes for p in classes]
    words = "; ".join(f"actual {a}, predicted {p}: {n}" for a, p, n in rows[:8])
    return book.figure(
        "Confusion matrix; shade is the share of the actual class.",
        f"Counts of actual and predicted classes: {words}.",
        {
            "kind": "grid",
            "rows": classes,
            "columns": classes,
            "row_title": "actual",
            "column_title": "predicted",
            "cells": grid,
        },
        [column("Actual"), column("Predicted"), number_column("Rows")],
        rows,
        [series],
        half=len(classes) <= 2,
    )


_FIGURES: dict[str, tuple[tuple[str, ...], Callable[[Book, Series, Values], Figure | None]]] = {
    "performance.confusion": (("actual", "predicted", "count"), _confusion),
    "performance.reliability": (("mean_score", "observed_rate"), _reliability),
    "performance.roc": (("false_positive_rate", "true_positive_rate", "threshold"), _roc),
    "performance.precision_recall": (("recall", "precision", "threshold"), _precision_recall),
    "performance.thresholds": (("threshold",), _thresholds),
}


def series_blocks(book: Book, method: str) -> list[Block]:
    """A figure for each series of a method that has a known form; others stay in evidence.json."""
    blocks: list[Block] = []
    for id_, (names, draw) in _FIGURES.items():
        for series in book.evidence.series:
            values = _values(series, *names) if series.id == id_ and series.method == method else None
            figure = draw(book, series, values) if values is not None and not series.slice else None
            if figure is not None:
                blocks.append(figure)
    return [*blocks, *group_reliability(book, method)]


def group_reliability(book: Book, method: str, most: int = 5) -> list[Block]:
    """Reliability curves of the groups of one attribute on one chart."""
    found: dict[tuple[str, ...], list[tuple[Series, Values]]] = {}
    for series in book.evidence.series:
        if series.id == "fairness.reliability" and series.method == method:
            values = _values(series, "mean_score", "observed_rate")
            if values is not None:
                found.setdefault(tuple(series.slice), []).append((series, values))
    blocks: list[Block] = []
    for names, items in found.items():
        chosen = items[:most]
        groups = [fmt.group(series.slice) for series, _ in chosen]
        lines = [
            _line(group, values, "mean_score", "observed_rate", points=True) | {"low": None, "high": None}
            for group, (_, values) in zip(groups, chosen, strict=True)
        ]
        table = [
            [group, fmt.value(a), fmt.value(b)]
            for group, (_, values) in zip(groups, chosen, strict=True)
            for a, b in zip(values["mean_score"], values["observed_rate"], strict=True)
        ]
        some = f" The first {most} of {len(items)} groups." if len(items) > most else ""
        blocks.append(
            book.figure(
                f"Reliability by {' × '.join(names)}: on the dashed line, scores mean what they say.{some}",
                f"Observed rate over mean score for {', '.join(groups)}.",
                _curves(lines, "mean score", "observed rate", diagonal=True),
                [column("Group"), number_column("Mean score"), number_column("Observed rate")],
                table,
                [series for series, _ in chosen],
            )
        )
    return blocks
