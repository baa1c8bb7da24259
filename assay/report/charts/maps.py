"""Small maps side by side, shaded by value: where attributions of images lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.report.charts.canvas import FULL, HALF, Canvas, fit, ramp
from assay.report.palette import LINE, SOFT

__all__ = ["map_chart"]

_GAP, _HEAD, _LEGEND = 14.0, 26.0, 24.0


def map_chart(chart: Mapping[str, Any]) -> str:
    """One shaded grid a panel, all on one scale from 0 to `top`.

    Args:
        chart: `panels` of {title, sub, cells [row][column]}; `top`, the value of full shade, and `top_text`;
            `across`, panels a line; `frame`, depth of the border drawn, in parts of the width (0 = none);
            `half` for the narrow width.
    """
    panels, across = chart["panels"], chart["across"]
    width = HALF if chart["half"] else FULL
    each = (width - _GAP * (across - 1)) / across
    tallest = max(len(panel["cells"]) / len(panel["cells"][0]) for panel in panels)
    high = each * tallest + _HEAD
    lines = -(-len(panels) // across)
    canvas = Canvas(width, lines * (high + _GAP) + _LEGEND)
    for number, panel in enumerate(panels):
        left, top = (number % across) * (each + _GAP), (number // across) * (high + _GAP)
        canvas.text(left, top + 6, fit(panel["title"], each, 9.5), size=9.5, bold=True)
        canvas.text(left, top + 18, fit(panel["sub"], each, 8.5), size=8.5, colour=SOFT)
        side = each / len(panel["cells"][0])
        for row, values in enumerate(panel["cells"]):
            for column, value in enumerate(values):
                shade = ramp(value / chart["top"] if chart["top"] else 0.0)
                # a hair wider than the cell, so that no seam shows between neighbours
                canvas.rect(
                    left + side * column, top + _HEAD + side * row, side + 0.3, side + 0.3, shade, None
                )
        if chart["frame"]:
            down, over = (side * len(panel["cells"]) * chart["frame"], each * chart["frame"])
            bottom = top + _HEAD + side * len(panel["cells"]) - down
            first, last = left + over, left + each - over
            line = f"M{first:.2f},{top + _HEAD + down:.2f}H{last:.2f}V{bottom:.2f}H{first:.2f}Z"
            canvas.path(line, SOFT, 0.7, dash="2 2")
    foot = lines * (high + _GAP)
    for step in range(10):
        canvas.rect(30 + 9 * step, foot + 4, 9.3, 9, ramp(step / 9), None)
    canvas.text(24, foot + 9, "0", anchor="end", size=8.5, colour=SOFT)
    canvas.text(126, foot + 9, chart["top_text"], size=8.5, colour=SOFT)
    canvas.line(30, foot + 13.5, 120, foot + 13.5, LINE, 0.6)
    return canvas.svg()
