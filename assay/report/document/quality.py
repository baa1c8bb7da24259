"""Figures of the chapter on the data: missing values and representation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.contracts import Measure
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, number_column
from assay.report.document.model import Block, Figure

__all__ = ["quality_blocks"]


def _bars(book: Book, caption: str, title: str, measures: Sequence[Measure]) -> Figure:
    rows: list[dict[str, Any]] = []
    table = []
    for m in measures:
        label, value = fmt.group(m.slice), fmt.value(m.value, m.unit)
        rows.append({"label": label, "value": m.value, "low": m.low, "high": m.high, "text": value})
        table.append([label, value, fmt.interval(m.low, m.high, m.unit), fmt.count(m.n)])
    top = max(max(m.value or 0.0, m.high or 0.0) for m in measures)
    words = "; ".join(f"{label} {value}" for label, value, *_ in table[:8])
    return book.figure(
        caption,
        f"{title}: {words}.",
        {"kind": "bars", "rows": rows, "top": min(1.0, top * 1.05) or 1.0, "title": title},
        [column("Of"), number_column("Share"), number_column("Interval"), number_column("n")],
        table,
        list(measures),
    )


def quality_blocks(book: Book, measures: Sequence[Measure], most: int = 20) -> list[Block]:
    """Columns with missing values, most missing first; then the share of each group an attribute."""
    blocks: list[Block] = []
    missing = [m for m in measures if m.id == "data_quality.missing_share" and m.value]
    if missing:
        chosen = sorted(missing, key=lambda m: -(m.value or 0.0))[:most]
        some = f" The {most} with most of {len(missing)}." if len(missing) > most else ""
        caption = f"Share of rows without a value, columns that miss any.{some}"
        blocks.append(_bars(book, caption, "share of rows missing", chosen))
    shares = [m for m in measures if m.id == "data_quality.group_share" and m.value is not None and m.slice]
    for names in dict.fromkeys(tuple(m.slice) for m in shares):
        groups = [m for m in shares if tuple(m.slice) == names]
        some = f" The {most} smallest of {len(groups)}." if len(groups) > most else ""
        chosen = sorted(groups, key=lambda m: m.value or 0.0)[:most] if some else groups
        caption = f"How the rows are spread over {' × '.join(names)}.{some}"
        blocks.append(_bars(book, caption, "share of rows", chosen))
    return blocks
