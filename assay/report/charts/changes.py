"""Before and after of several measures of one unit, and the interval of each change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from assay.report.charts.canvas import FULL, Canvas, Scale, fit, gutter, tick_texts, ticks
from assay.report.palette import INK, LINE, SOFT, STYLES, WASH

__all__ = ["MARKS", "change_chart"]

MARKS = {"better": "pass", "worse": "fail", "insufficient": "insufficient", "unchanged": "not_tested"}
"""Reading -> the outcome whose colour it has."""
_ROW = 28.0
_WORD = 62.0
_TOP = 20.0
_NARROWEST = 0.05


def change_chart(chart: Mapping[str, Any]) -> str:
    """Dumbbells (ring: before, dot: after) beside the change with its interval over the tolerance's band.

    Args:
        chart: `rows` of {label, who, before, after, change, low, high, tolerance, reading}: `who` the group
            or pair, perhaps empty, low and high of the change, perhaps null; `bounds` [floor, ceiling] of
            the values' axis (null = as the data need); `title` of the values' axis.
    """
    rows = chart["rows"]
    left = min(206.0, gutter([row["label"] for row in rows]))
    middle = left + (FULL - _WORD - left) * 0.48
    foot = _TOP + _ROW * len(rows)
    canvas = Canvas(FULL, foot + 30)
    values = _values_scale(chart, left, middle - 12)
    changes = _change_scale(rows, middle + 12, FULL - _WORD - 8)
    for scale, title in ((values, chart["title"]), (changes, "")):
        marks = ticks(scale.low, scale.high, 4)
        for value, text in zip(marks, tick_texts(marks), strict=True):
            canvas.line(scale(value), _TOP, scale(value), foot, LINE, 0.6)
            canvas.text(scale(value), foot + 8, text, anchor="middle", size=8.5, colour=SOFT)
        if title:
            canvas.text(
                (scale.start + scale.stop) / 2, foot + 21, title, anchor="middle", size=9, colour=SOFT
            )
    canvas.text(values.start, 8, "before → after", size=8.8, bold=True)
    canvas.text(changes.start, 8, "change", size=8.8, bold=True)
    for index, row in enumerate(rows):
        _row(canvas, row, _TOP + _ROW * (index + 0.5), left, values, changes)
    canvas.line(changes(0.0), _TOP - 4, changes(0.0), foot, SOFT, 1)
    return canvas.svg()


def _row(
    canvas: Canvas, row: Mapping[str, Any], y: float, left: float, values: Scale, changes: Scale
) -> None:
    style = STYLES[MARKS[row["reading"]]]
    canvas.text(0, y - (5.5 if row["who"] else 0), fit(row["label"], left - 10))
    if row["who"]:
        canvas.text(0, y + 5.5, fit(row["who"], left - 10, 8.8), size=8.8, colour=SOFT)
    before, after = values(row["before"]), values(row["after"])
    canvas.line(before, y, after, y, SOFT, 2.2)
    _dot(canvas, before, y, INK, "#ffffff")
    _dot(canvas, after, y, style.colour, style.colour)
    near, far = changes(-row["tolerance"]), changes(row["tolerance"])
    canvas.rect(near, y - 8, far - near, 16, WASH)
    if row["low"] is not None and row["high"] is not None:
        canvas.line(changes(row["low"]), y, changes(row["high"]), y, INK, 1.3)
    _dot(canvas, changes(row["change"]), y, style.colour, style.colour)
    canvas.text(FULL - _WORD + 2, y, _WORDS[row["reading"]], size=9, colour=style.colour, bold=True)


def _dot(canvas: Canvas, x: float, y: float, stroke: str, fill: str) -> None:
    canvas.path(f"M{x - 3.2:.1f} {y:.1f}a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0 -6.4 0", stroke, 1.3, fill)


_WORDS = {"better": "Better", "worse": "Worse", "insufficient": "Not decided", "unchanged": "Unchanged"}


def _values_scale(chart: Mapping[str, Any], start: float, stop: float) -> Scale:
    known = [row[key] for row in chart["rows"] for key in ("before", "after")]
    low, high = min(known), max(known)
    room = (high - low) * 0.12 or max(abs(high), 1.0) * 0.1
    floor, ceiling = chart["bounds"]
    if floor is not None:  # shares and ratios: a change in the fourth digit is not to fill the panel
        room = max(room, (_NARROWEST - (high - low)) / 2)
    low = low - room if floor is None else max(floor, low - room)
    return Scale(low, high + room if ceiling is None else min(ceiling, high + room), start, stop)


def _change_scale(rows: list[Mapping[str, Any]], start: float, stop: float) -> Scale:
    known = [0.0]
    for row in rows:
        known += [row["change"], row["tolerance"], -row["tolerance"]]
        known += [end for end in (row["low"], row["high"]) if end is not None and math.isfinite(end)]
    low, high = min(known), max(known)
    room = (high - low) * 0.06 or 1.0
    return Scale(low - room, high + room, start, stop)
