"""Shares as bars: missing values, representation of groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.report.charts.canvas import FULL, Canvas, Scale, fit, gutter
from assay.report.palette import ACCENT, INK, LINE

__all__ = ["bar_chart"]


def bar_chart(chart: Mapping[str, Any]) -> str:
    """One bar a row, its value written at its end.

    Args:
        chart: `rows` of {label, value, low, high, text} (low and high may be null); `top` of the axis;
            `title` of the axis.
    """
    rows, row = chart["rows"], 17.0
    left, texts = gutter([bar["label"] for bar in rows]), 60.0
    foot = 4 + row * len(rows)
    canvas = Canvas(FULL, foot + 30)
    scale = Scale(0.0, chart["top"], left, FULL - texts - 6)
    canvas.axis(scale, foot, 4, chart["title"], LINE)
    for index, bar in enumerate(rows):
        y = 4 + row * (index + 0.5)
        canvas.text(0, y, fit(bar["label"], left - 12))
        canvas.rect(left, y - 5, scale(bar["value"]) - left, 10, ACCENT)
        if bar["low"] is not None and bar["high"] is not None:
            canvas.line(scale(bar["low"]), y, scale(bar["high"]), y, INK, 1.3)
        canvas.text(FULL, y, bar["text"], anchor="end", size=9)
    return canvas.svg()
