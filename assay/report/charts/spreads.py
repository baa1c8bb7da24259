"""Quantiles of signed numbers, one row a name: how attributions spread over the rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.report.charts.canvas import FULL, Canvas, Scale, fit, gutter
from assay.report.palette import ACCENT, INK, LINE, SOFT

__all__ = ["spread_chart"]

_ROW = 17.0


def spread_chart(chart: Mapping[str, Any]) -> str:
    """A thin line from the lowest to the highest quantile, a bar over the middle half, a mark at the median.

    Args:
        chart: `rows` of {label, quantiles}, five rising numbers each; `title` of the axis. The axis shows 0.
    """
    rows = chart["rows"]
    left = gutter([row["label"] for row in rows])
    foot = 8 + _ROW * len(rows)
    canvas = Canvas(FULL, foot + 30)
    every = [0.0, *(value for row in rows for value in row["quantiles"])]
    low, high = min(every), max(every)
    room = (high - low) * 0.04 or 1.0
    scale = Scale(low - room, high + room, left, FULL - 6)
    canvas.axis(scale, foot, 8, chart["title"], LINE)
    canvas.line(scale(0.0), 4, scale(0.0), foot, SOFT, 1)
    for index, row in enumerate(rows):
        y = 8 + _ROW * (index + 0.5)
        least, lower, median, upper, most = (scale(value) for value in row["quantiles"])
        canvas.text(0, y, fit(row["label"], left - 12))
        canvas.line(least, y, most, y, INK, 1.1)
        canvas.rect(lower, y - 4.5, max(upper - lower, 0.8), 9, ACCENT)
        canvas.line(median, y - 6, median, y + 6, INK, 1.8)
    return canvas.svg()
