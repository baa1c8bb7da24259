"""Group rates: a panel chart, a heat map where two attributes meet, and the table of rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.contracts import Measure
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, id_column, number_column
from assay.report.document.model import Block, Figure, Table

__all__ = ["level", "rate_blocks"]

_RATES = (
    "fairness.selection_rate",
    "fairness.true_positive_rate",
    "fairness.false_positive_rate",
    "fairness.positive_predictive_value",
    "fairness.accuracy",
    "fairness.base_rate",
)
_PANELS = 4
_MOST_GROUPS = 24


def rate_blocks(book: Book, names: tuple[str, ...], measures: Sequence[Measure]) -> list[Block]:
    """Chart and table of the rates of the groups of one attribute or intersection."""
    over = " × ".join(names)
    ids = [id_ for id_ in _RATES if any(m.id == id_ and m.value is not None for m in measures)][:_PANELS]
    if not ids:
        return []
    cells = {(m.id, fmt.group(m.slice)): m for m in measures}
    sizes: dict[str, int] = {}
    for measure in measures:
        group = fmt.group(measure.slice)
        sizes[group] = max(sizes.get(group, 0), measure.n)
    groups = list(sizes)
    left = len(groups) - _MOST_GROUPS
    if left > 0:
        rate = {g: cells[ids[0], g].value if (ids[0], g) in cells else None for g in groups}
        ordered = sorted(groups, key=lambda g: (rate[g] is None, rate[g] or 0.0))
        groups = ordered[: _MOST_GROUPS // 2] + ordered[-_MOST_GROUPS // 2 :]
    chosen = [cells[id_, g] for g in groups for id_ in ids if (id_, g) in cells]
    note = f" The {_MOST_GROUPS} lowest and highest of {len(sizes)} groups." if left > 0 else ""
    panels = []
    for id_ in ids:
        row = [cells.get((id_, g)) for g in groups]
        most = max((m.high or m.value or 0.0) for m in row if m is not None)
        top = min(1.0, most * 1.04) or 1.0
        panels.append({"title": book.title(id_), "top": top, "cells": [_panel_cell(m) for m in row]})
    table = _rate_table(book, over, ids, groups, cells, sizes)
    words = "; ".join(f"{row[0]['text']} {row[2]['text']}" for row in table["rows"][:8])
    figure = book.figure(
        f"Rates by {over} with {level(chosen)} intervals.{note}",
        f"Rates of each group of {over}. {book.title(ids[0])}: {words}.",
        {
            "kind": "panels",
            "labels": groups,
            "counts": [fmt.count(sizes[g]) for g in groups],
            "panels": panels,
        },
        table["columns"][:-1],
        [row[:-1] for row in table["rows"]],
        chosen,
    )
    heat = [_heat(book, names, [m for m in measures if m.id == ids[0]])] if len(names) == 2 else []
    return [figure, *(block for block in heat if block is not None), table]


def _panel_cell(measure: Measure | None) -> dict[str, Any] | None:
    if measure is None or measure.value is None:
        return None
    return {"value": measure.value, "low": measure.low, "high": measure.high, "outcome": "shown"}


def level(measures: Sequence[Measure]) -> str:
    """ "95%" when all intervals share one level, else "their"."""
    levels = {m.level for m in measures if m.level is not None}
    return f"{next(iter(levels)):.0%}" if len(levels) == 1 else "their"


def _rate_table(
    book: Book,
    over: str,
    ids: Sequence[str],
    groups: Sequence[str],
    cells: dict[tuple[str, str], Measure],
    sizes: dict[str, int],
) -> Table:
    rows: list[list[Any]] = []
    for group in groups:
        row: list[Any] = [group, fmt.count(sizes[group])]
        for id_ in ids:
            measure = cells.get((id_, group))
            if measure is None or measure.value is None:
                row.append({"text": "–", "sub": measure.note or "insufficient" if measure else ""})
            else:
                sub = fmt.interval(measure.low, measure.high, measure.unit)
                row.append({"text": fmt.value(measure.value, measure.unit), "sub": sub})
        first = next(cells[id_, group] for id_ in ids if (id_, group) in cells)
        rows.append([*row, book.short(first)])
    columns = [
        column("Group"),
        number_column("n"),
        *(number_column(book.title(id_)) for id_ in ids),
        id_column(),
    ]
    caption = f"Rates by {over}; the id is that of the first rate, all others are in the appendix"
    sources = [cells[id_, g] for g in groups for id_ in ids if (id_, g) in cells]
    return book.table(caption, columns, rows, "", sources)


def _heat(book: Book, names: tuple[str, ...], measures: Sequence[Measure]) -> Figure | None:
    down = list(dict.fromkeys(m.slice[names[0]] for m in measures))
    across = list(dict.fromkeys(m.slice[names[1]] for m in measures))
    if len(across) > len(down):
        names, down, across = (names[1], names[0]), across, down
    if not measures or len(down) > 14 or len(across) > 6:
        return None
    found = {(m.slice[names[0]], m.slice[names[1]]): m for m in measures}
    most = max((m.value or 0.0) for m in measures) or 1.0
    grid: list[list[dict[str, Any] | None]] = []
    rows: list[list[Any]] = []
    for a in down:
        line: list[dict[str, Any] | None] = []
        for b in across:
            measure = found.get((a, b))
            known = measure is not None and measure.value is not None
            if measure is not None and known:
                share, n = (measure.value or 0.0) / most, f"n {fmt.count(measure.n)}"
                line.append({"share": share, "text": fmt.value(measure.value, measure.unit), "sub": n})
            else:
                line.append(None)
            value = fmt.value(measure.value, measure.unit) if measure is not None else "–"
            rows.append([a, b, value, fmt.count(measure.n) if measure is not None else "–"])
        grid.append(line)
    title = book.title(measures[0].id)
    words = "; ".join(f"{a}, {b} {value}" for a, b, value, _ in rows[:8])
    return book.figure(
        f"{title} where {names[0]} and {names[1]} meet; darker is higher.",
        f"{title} of each combination of {names[0]} and {names[1]}: {words}.",
        {
            "kind": "grid",
            "rows": down,
            "columns": across,
            "row_title": names[0],
            "column_title": names[1],
            "cells": grid,
        },
        [column(names[0]), column(names[1]), number_column(title), number_column("n")],
        rows,
        list(measures),
    )
