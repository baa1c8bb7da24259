"""The document model: plain JSON that the PDF template and the HTML template both render.

Because both read the same sentences, tables and figures, the two editions cannot disagree. Strings here
are exact; each edition makes unprintable characters visible in its own way before it renders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypedDict

__all__ = [
    "Block",
    "Cell",
    "Column",
    "Document",
    "Figure",
    "Section",
    "Standing",
    "Summary",
    "Table",
    "Tile",
    "bullets",
    "facts",
    "heading",
    "section",
    "text",
]


class Cell(TypedDict):
    """A table cell: text, a softer second line, and for verdicts the outcome whose mark precedes it."""

    text: str
    sub: NotRequired[str]
    outcome: NotRequired[str]


class Column(TypedDict):
    title: str
    kind: Literal["text", "number", "id"]
    share: float
    """Width in parts of the table's width; 0 = as wide as its widest cell."""


class Table(TypedDict):
    kind: Literal["table"]
    id: str
    caption: str
    columns: list[Column]
    rows: list[list[Cell]]
    note: str


class Figure(TypedDict):
    kind: Literal["figure"]
    id: str
    number: int
    caption: str
    alt: str
    half: bool
    chart: dict[str, Any]
    svg: str
    table: Table


Block = dict[str, Any] | Table | Figure


class Section(TypedDict):
    id: str
    title: str
    opens: bool
    """Whether it begins on a new page."""
    blocks: list[Block]


class Tile(TypedDict):
    title: str
    outcome: str
    word: str
    detail: str


class Standing(TypedDict):
    """What a reviewer has said of the report, boxed under its title."""

    outcome: str
    text: str
    detail: str


class Summary(TypedDict):
    opinion: str
    scope: str
    facts: list[dict[str, str]]
    tiles: list[Tile]
    limits: Table
    verdicts: int
    """Verdicts in all; `limits` holds the worst of them."""
    verdicts_chapter: int
    """Number of the chapter that has all of them."""
    findings: list[dict[str, str]]
    undecided: list[str]
    not_tested: list[str]
    signature: str
    standing: NotRequired[Standing]
    """Only in reports of the service."""


class Document(TypedDict):
    title: str
    language: str
    status: str
    """What holds, on the first page and at the foot of every page."""
    stamp: str
    """The same in a word or two, at the head of every page."""
    watermark: str
    """Across every page; empty for none."""
    snapshot: str
    date: str
    timestamp: int
    generator: str
    summary: Summary
    chapters: list[Section]
    appendices: list[Section]
    index: dict[str, list[str]]
    """Id printed in the report -> JSON pointers into the attached evidence.json."""


def section(id_: str, title: str, blocks: Sequence[Block], *, opens: bool = True) -> Section:
    """A chapter or an appendix.

    Args:
        opens: it begins with a picture or a long table, which needs half a page below its title.
    """
    return {"id": id_, "title": title, "opens": opens, "blocks": list(blocks)}


def text(body: str, tone: Literal["body", "lede", "note"] = "body") -> Block:
    return {"kind": "text", "text": body, "tone": tone}


def heading(title: str, *, contents: bool = True) -> Block:
    """A heading inside a chapter; `contents` says whether the table of contents lists it."""
    return {"kind": "heading", "text": title, "contents": contents}


def bullets(items: Sequence[str]) -> Block:
    return {"kind": "list", "items": list(items)}


def facts(rows: Sequence[tuple[str, str]], *, mono: Sequence[str] = ()) -> Block:
    """Terms and what they are; `mono` names the terms whose text is a digest or a command."""
    return {
        "kind": "facts",
        "rows": [{"term": term, "text": body, "mono": term in mono} for term, body in rows],
    }
