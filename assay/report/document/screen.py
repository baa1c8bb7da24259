"""The four-fifths screen of one attribute: impact ratio, its test and the shortfall in persons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.contracts import Measure
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, id_column, number_column
from assay.report.document.model import Block

__all__ = ["screen_blocks"]


def screen_blocks(book: Book, over: str, measures: Sequence[Measure], most: int = 30) -> list[Block]:
    """One row a group, against the group with the highest selection rate."""
    ratios = [m for m in measures if m.id == "fairness.impact_ratio"]
    if not ratios:
        return []
    tests = {book.group(m): m for m in measures if m.id == "fairness.impact_ratio_p_value"}
    short = {book.group(m): m for m in measures if m.id == "fairness.shortfall"}
    rows: list[list[Any]] = []
    for m in ratios[:most]:
        group = book.group(m)
        test, missing = tests.get(group), short.get(group)
        p = fmt.value(test.value, "p-value") if test is not None else "–"
        kind = (
            "" if test is None else ", ".join(str(test.at[k]) for k in ("test", "adjusted") if k in test.at)
        )
        rows.append(
            [
                group,
                fmt.count(m.n),
                {"text": fmt.value(m.value, m.unit), "sub": fmt.interval(m.low, m.high, m.unit)},
                {"text": p, "sub": kind},
                fmt.count(missing.value) if missing is not None else "–",
                book.short(m),
            ]
        )
    against = ratios[0].at.get("against")
    left = len(ratios) - most
    note = "A statistical screen, never proof of compliance or of a breach."
    note += f" {fmt.plural(left, 'further group')} in evidence.json." if left > 0 else ""
    columns = [
        column("Group"),
        number_column("n"),
        number_column("Impact ratio"),
        number_column("p-value"),
        number_column("Persons short of 0.80"),
        id_column(),
    ]
    caption = f"Four-fifths screen by {over}: selection rate against that of {against}, the highest"
    return [book.table(caption, columns, rows, note, ratios[:most])]
