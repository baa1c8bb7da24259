"""The colours, words and marks of a verdict: one palette for charts, PDF and HTML.

Every verdict carries a mark and a word besides its colour, so grey print and colour-blind readers
lose nothing. All text colours reach 4.5:1 on white.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["ACCENT", "CELL_INK", "INK", "LINE", "SOFT", "STYLES", "WASH", "Style"]

INK = "#1c1d21"
CELL_INK = "#1c1d22"
"""Ink on a shaded cell: stays dark in a dark page, where INK turns light."""
SOFT = "#5b5f6b"
LINE = "#e4e1db"
WASH = "#f2efe9"
ACCENT = "#274b7a"
PASS = "#1B6FB3"
WARN = "#B26A00"
FAIL = "#7A0C2E"
NONE = "#6B7280"


class Style(NamedTuple):
    """How one outcome looks: colour, wash behind it, word, chart shape (Vega symbol or SVG path)."""

    colour: str
    wash: str
    word: str
    shape: str
    filled: bool


_CROSS = "M-0.75,-0.75L0.75,0.75M0.75,-0.75L-0.75,0.75"
_DASH = "M-0.7,0L0.7,0"

STYLES: Mapping[str, Style] = {
    "pass": Style(PASS, "#e8f1f9", "Passed", "circle", True),
    "warn": Style(WARN, "#fbf0df", "Close", "triangle-up", True),
    "fail": Style(FAIL, "#f8e8ed", "Failed", _CROSS, False),
    "insufficient": Style(NONE, "#eef0f3", "Undecided", "circle", False),
    "not_tested": Style(NONE, "#eef0f3", "Not tested", _DASH, False),
    "shown": Style(ACCENT, "#ffffff", "Shown only", "diamond", True),
}
"""`shown` marks what a policy does not judge; the other keys are the outcomes of a verdict."""
