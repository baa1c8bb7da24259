"""The figures and tables of a chapter on groups, attribute by attribute."""

from __future__ import annotations

from collections.abc import Sequence

from assay.contracts import Measure
from assay.report.document.book import Book
from assay.report.document.group_pairs import bound_blocks, pair_blocks
from assay.report.document.group_rates import rate_blocks
from assay.report.document.model import Block, heading

__all__ = ["fairness_blocks"]


def _attributes(measures: Sequence[Measure]) -> list[tuple[str, ...]]:
    """Attributes and intersections in the order in which they were measured."""
    return list(dict.fromkeys(tuple(m.slice) for m in measures if m.slice and m.over is None))


def fairness_blocks(book: Book, measures: Sequence[Measure]) -> list[Block]:
    """For each attribute its rates by group and its pairs; then intersections and unknown groups."""
    blocks: list[Block] = []
    singles = [m for m in measures if m.over is None and not m.at]
    for names in _attributes(singles):
        over = " × ".join(names)
        blocks.append(heading(f"By {over}"))
        blocks += rate_blocks(book, names, [m for m in singles if tuple(m.slice) == names])
        for id_ in dict.fromkeys(m.id for m in measures if m.over == over and "against" in m.at):
            if book.specs.get(id_) is None or book.specs[id_].judging == "pairs":
                pairs = [m for m in measures if m.id == id_ and m.over == over]
                blocks += pair_blocks(book, id_, over, pairs)
    blocks += bound_blocks(book, [m for m in measures if m.id == "fairness.selection_rate_ratio_bound"])
    return blocks
