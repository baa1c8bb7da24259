"""Rows whose group is not known, attribute by attribute: how many, and what they leave open."""

from __future__ import annotations

from collections.abc import Sequence

from assay.contracts import Measure
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, number_column
from assay.report.document.model import Block, text

__all__ = ["unknown_blocks"]

_MOST = 16


def unknown_blocks(book: Book, over: str, measures: Sequence[Measure]) -> list[Block]:
    """A sentence and the widest bounds of one attribute; nothing where every group is known.

    Args:
        measures: rates of its groups, and pairs of them.
    """
    bounded = [m for m in measures if m.unknown is not None and m.value is not None]
    if not bounded:
        return []
    share = max(m.unknown.share for m in bounded if m.unknown is not None)
    most = max(m.unknown.rows for m in bounded if m.unknown is not None)
    words = (
        f"The group of {fmt.value(share, 'share')} of the rows is not known ({over}); up to "
        f"{fmt.plural(most, 'row')} may belong to a group. Values are those of the known rows. Intervals and "
        "verdicts hold wherever the others belong: nothing is assumed of why they are not known."
    )
    widest = sorted(bounded, key=lambda m: -_width(m))
    rows = [
        [
            book.title(m.id),
            book.setting(m) if m.over is not None else book.group(m),
            fmt.value(m.value, m.unit),
            _bounds(m),
            fmt.interval(m.low, m.high, m.unit),
        ]
        for m in widest[:_MOST]
        if m.unknown is not None
    ]
    left = len(widest) - len(rows)
    note = (
        "Between: the least and greatest value wherever these rows belong; the interval adds sampling error."
    )
    note += f" {fmt.plural(left, 'further line')} in evidence.json." if left > 0 else ""
    table = book.table(
        f"What rows of unknown group leave open by {over}, widest first",
        [
            column("Measure"),
            column("Group or pair"),
            number_column("Known rows"),
            number_column("Between"),
            number_column("Interval"),
        ],
        rows,
        note,
        widest[:_MOST],
    )
    return [text(words), table]


def _width(measure: Measure) -> float:
    found = measure.unknown
    if found is None or found.low is None or found.high is None:
        return float("inf")
    return found.high - found.low


def _bounds(measure: Measure) -> str:
    found = measure.unknown
    assert found is not None
    return fmt.interval(found.low, found.high, measure.unit)
