"""Values with their intervals against limits: verdicts, pairs, group rates, bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from assay.report.charts.canvas import FULL, Canvas, Scale, fit, gutter, tick_texts, ticks, wrap
from assay.report.palette import FAIL, INK, LINE, SOFT, STYLES, WARN

__all__ = ["interval_chart", "panel_chart"]

Chart = Mapping[str, Any]
ROW = 18.0
"""Points from one row to the next."""
TALL = 27.0
"""The same where a row has a second line."""


def _domain(chart: Chart) -> tuple[float, float]:
    values = [row[key] for row in chart["rows"] for key in ("value", "low", "high", "limit", "target")]
    values += [chart["parity"], *(line["value"] for line in chart["lines"])]
    known = [v for v in values if v is not None and math.isfinite(v)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = (high - low) * 0.06 or max(abs(high), 1.0) * 0.1
    floor, ceiling = chart["bounds"]
    low = low - room if floor is None else max(floor, low - room)
    return low, high + room if ceiling is None else min(ceiling, high + room)


def _two_lines(title: str) -> list[str]:
    """A title of several words split near its middle."""
    places = [i for i, letter in enumerate(title) if letter == " "]
    if len(title) < 12 or not places:
        return [title]
    cut = min(places, key=lambda i: abs(i - len(title) / 2))
    return [title[:cut], title[cut + 1 :]]


def interval_chart(chart: Chart) -> str:
    """Rows of value and interval; limits either per row (a tick) or common to all (a dashed line).

    Args:
        chart: `rows` of {label, value, low, high, outcome, text, limit, target}, where `text` is the
            printed value and a null bound beside a present one is an open interval; `lines` of
            {value, label}; `bounds` [floor, ceiling] of the axis (null = as the data need); `parity` a
            value that the axis must show; `title` of the axis; `words` whether the outcome's word
            stands at the right.
    """
    rows = chart["rows"]
    left, texts, words = (
        min(200.0, gutter([row["label"] for row in rows])),
        96.0,
        52.0 if chart["words"] else 0.0,
    )
    top, right = (20.0 if chart["lines"] else 6.0), FULL - texts - words - 6
    labels = [wrap(row["label"], left - 12) for row in rows]
    step = TALL if any(len(lines) > 1 for lines in labels) else ROW
    foot = top + step * len(rows)
    canvas = Canvas(FULL, foot + (30 if chart["title"] else 16))
    low, high = _domain(chart)
    scale = Scale(low, high, left, right)
    canvas.axis(scale, foot, top, chart["title"], LINE)
    for line in chart["lines"]:
        if scale.holds(line["value"]):
            x = scale(line["value"])
            canvas.line(x, top - 8, x, foot, FAIL, 1, "4 3")
            canvas.text(x, top - 14, line["label"], anchor="middle", size=8.5, colour=FAIL)
    for index, row in enumerate(rows):
        y = top + step * (index + 0.5)
        style = STYLES[row["outcome"]]
        for number, line in enumerate(labels[index]):
            canvas.text(0, y + 11 * (number - (len(labels[index]) - 1) / 2), line)
        canvas.text(FULL - words, y, row["text"], anchor="end", size=9)
        if words:
            canvas.text(FULL - words + 8, y, style.word, size=9, colour=style.colour, bold=True)
        if row["low"] is not None or row["high"] is not None:
            start = scale(low if row["low"] is None else row["low"])
            stop = scale(high if row["high"] is None else row["high"])
            canvas.line(start, y, stop, y, INK, 1.3)
        for key, colour, dash in (("target", WARN, "2 2"), ("limit", FAIL, None)):
            if scale.holds(row[key]):
                canvas.line(scale(row[key]), y - 7, scale(row[key]), y + 7, colour, 1.6, dash)
        if row["value"] is not None:
            canvas.mark(scale(row["value"]), y, row["outcome"])
    return canvas.svg()


def panel_chart(chart: Chart) -> str:
    """Groups as rows, one panel a rate, each panel from 0 to its own maximum.

    Args:
        chart: `labels` and `counts` (one text a row), `panels` of {title, top, cells}: `top` is the
            end of the panel's axis, a cell is null or {value, low, high, outcome}, in the order of
            `labels`.
    """
    labels, panels = chart["labels"], chart["panels"]
    left, gap, top = gutter(labels, 40.0), 16.0, 32.0
    each = (FULL - left - 8 - gap * (len(panels) - 1)) / len(panels)
    foot = top + ROW * len(labels)
    canvas = Canvas(FULL, foot + 16)
    for index, (label, rows) in enumerate(zip(labels, chart["counts"], strict=True)):
        y = top + ROW * (index + 0.5)
        canvas.text(0, y, fit(label, left - 52))
        canvas.text(left - 14, y, rows, anchor="end", size=8.5, colour=SOFT)
    canvas.text(left - 14, 18, "n", anchor="end", size=8.5, colour=SOFT)
    for number, panel in enumerate(panels):
        start = left + number * (each + gap)
        scale = Scale(0.0, panel["top"], start, start + each)
        for line, words in enumerate(_two_lines(panel["title"])):
            canvas.text(start, 7 + 11 * line, fit(words, each + gap - 4, 8.8), size=8.8, bold=True)
        marks = ticks(0.0, panel["top"], 4)
        for value, text in zip(marks, tick_texts(marks), strict=True):
            canvas.line(scale(value), top, scale(value), foot, LINE, 0.6)
            canvas.text(scale(value), foot + 8, text, anchor="middle", size=8.5, colour=SOFT)
        for index, cell in enumerate(panel["cells"]):
            if cell is None:
                continue
            y = top + ROW * (index + 0.5)
            if cell["low"] is not None and cell["high"] is not None:
                canvas.line(scale(cell["low"]), y, scale(cell["high"]), y, INK, 1.3)
            if cell["value"] is not None:
                canvas.mark(scale(cell["value"]), y, cell["outcome"])
    return canvas.svg()
