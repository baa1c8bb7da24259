"""The figures and tables of a chapter on groups, attribute by attribute."""

from __future__ import annotations

from collections.abc import Sequence

from assay.contracts import Measure
from assay.report.document.book import Book
from assay.report.document.group_pairs import bound_blocks, has_verdict, pair_blocks
from assay.report.document.group_rates import rate_blocks
from assay.report.document.model import Block, heading, text
from assay.report.document.screen import screen_blocks
from assay.report.document.unknown_groups import unknown_blocks

__all__ = ["fairness_blocks"]


def fairness_blocks(book: Book, measures: Sequence[Measure]) -> list[Block]:
    """For each attribute its rates, screen and judged pairs; then people whose group is not known."""
    blocks: list[Block] = []
    singles = [m for m in measures if m.slice and m.over is None and not m.at]
    for names in dict.fromkeys(book.names(m.slice) for m in singles):
        over = " × ".join(names)
        compared = [m for m in measures if m.over is not None and set(m.over.split(" × ")) == set(names)]
        blocks.append(heading(f"By {over}"))
        own = [m for m in singles if book.names(m.slice) == names]
        blocks += rate_blocks(book, names, own)
        blocks += unknown_blocks(book, over, [*own, *(m for m in compared if "against" in m.at)])
        blocks += screen_blocks(book, over, compared)
        pairs: dict[str, list[Measure]] = {}
        for m in compared:
            if "against" in m.at and m.id in book.specs and book.specs[m.id].judging == "pairs":
                pairs.setdefault(m.id, []).append(m)
        unjudged = []
        for id_, members in pairs.items():
            if has_verdict(book, members[0]) or id_ == "fairness.selection_rate_ratio":
                blocks += pair_blocks(book, over, members)
            else:
                unjudged.append(book.title(id_))
        if unjudged:
            blocks.append(text(f"Not judged, in the evidence tables: {', '.join(unjudged)}.", "note"))
    blocks += bound_blocks(book, [m for m in measures if m.id == "fairness.selection_rate_ratio_bound"])
    return blocks
