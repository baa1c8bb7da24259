"""Lines over a number: ROC, precision-recall, thresholds, reliability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.report.charts.canvas import FULL, HALF, Canvas, LogScale, Scale, fit
from assay.report.palette import ACCENT, FAIL, INK, LINE, SOFT, WARN

__all__ = ["curve_chart"]

_LINES: tuple[tuple[str, str | None], ...] = (
    (ACCENT, None),
    (INK, "6 3"),
    (WARN, "2 2"),
    (SOFT, "8 2 2 2"),
    (FAIL, "1 3"),
    ("#1B6FB3", "10 4"),
)
"""Colour and dash of the first, second, ... line: grey print tells them apart by the dash."""


def curve_chart(chart: Mapping[str, Any]) -> str:
    """Lines with optional intervals at their points.

    Args:
        chart: `lines` of {name, x, y, low, high, points} (low and high null or lists as long as x;
            `points` draws a mark at each); `x_title`, `y_title`; `x` and `y` the axes' [low, high];
            `diagonal` draws the line y = x; `rule` null or {value, label}, a vertical line; `half`;
            `log`, where present, names the axes on a log scale ("x", "y" or "xy"), and `x_marks` the
            [value, label] pairs of the x axis.
    """
    lines = chart["lines"]
    named = len(lines) > 1
    width = HALF if chart["half"] else FULL
    legend = 118.0 if named and not chart["half"] else 0.0
    left, top = 38.0, 14.0
    high = 168.0 if chart["half"] else 190.0
    below = 13.0 * len(lines) + 4 if named and chart["half"] else 0.0
    canvas = Canvas(width, top + high + 32 + below)
    kinds = [LogScale if axis in chart.get("log", "") else Scale for axis in "xy"]
    x = kinds[0](chart["x"][0], chart["x"][1], left, width - 10 - legend)
    y = kinds[1](chart["y"][0], chart["y"][1], top + high, top)
    for value, text in y.marks():
        canvas.line(x.start, y(value), x.stop, y(value), LINE, 0.6)
        canvas.text(left - 6, y(value), text, anchor="end", size=8.5, colour=SOFT)
    canvas.axis(x, top + high, top, chart["x_title"], LINE, given=chart.get("x_marks"))
    canvas.text(7, top + high / 2, chart["y_title"], anchor="middle", size=9, colour=SOFT, turn=True)
    if chart["diagonal"]:
        low, most = max(x.low, y.low), min(x.high, y.high)
        canvas.line(x(low), y(low), x(most), y(most), SOFT, 0.9, "3 3")
    rule = chart["rule"]
    if rule and x.holds(rule["value"]):
        canvas.line(x(rule["value"]), top - 4, x(rule["value"]), top + high, FAIL, 1, "4 3")
        canvas.text(x(rule["value"]), top - 9, rule["label"], anchor="middle", size=8.5, colour=FAIL)
    for number, line in enumerate(lines):
        colour, dash = _LINES[number % len(_LINES)]
        pairs = [
            (x(a), y(b)) for a, b in zip(line["x"], line["y"], strict=True) if a is not None and b is not None
        ]
        if pairs:
            canvas.path("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in pairs), colour, 1.6, dash=dash)
        if line["low"] and line["high"]:
            for a, low, most in zip(line["x"], line["low"], line["high"], strict=True):
                if a is not None and low is not None and most is not None:
                    canvas.line(x(a), y(low), x(a), y(most), colour, 1.1)
        if line["points"]:
            for a, b in pairs:
                canvas.path(
                    f"M{a - 2.4:.1f} {b:.1f}a2.4 2.4 0 1 0 4.8 0a2.4 2.4 0 1 0 -4.8 0", colour, 1, colour
                )
        if named:
            start = x.stop + 12 if legend else left
            height = top + 10 + 16 * number if legend else top + high + 36 + 13 * number
            canvas.line(start, height, start + 20, height, colour, 1.6, dash)
            canvas.text(start + 25, height, fit(line["name"], (legend or width - left) - 30, 9), size=9)
    return canvas.svg()
