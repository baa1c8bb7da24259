"""Cells shaded by a share, each with its number written in it: heat maps and confusion matrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.report.charts.canvas import FULL, HALF, Canvas, fit, ramp
from assay.report.palette import CELL_INK, LINE, SOFT, WASH

__all__ = ["grid_chart"]


def grid_chart(chart: Mapping[str, Any]) -> str:
    """A table of shaded cells.

    Args:
        chart: `rows` and `columns` (labels), `row_title`, `column_title`, `cells` [row][column] null or
            {share, text, sub}, share in [0, 1] giving the shade; `half` for the narrow width.
    """
    rows, columns = chart["rows"], chart["columns"]
    width = HALF if chart["half"] else FULL
    left, top = (64.0 if chart["half"] else 132.0), 32.0
    each = min(96.0, (width - left - 2) / max(1, len(columns)))
    high = 30.0
    canvas = Canvas(width, top + high * len(rows) + 4)
    canvas.text(left, 7, fit(chart["column_title"], width - left), size=8.5, colour=SOFT)
    canvas.text(0, 22, fit(chart["row_title"], left - 6), size=8.5, colour=SOFT)
    for number, label in enumerate(columns):
        canvas.text(left + each * (number + 0.5), 22, fit(label, each - 4, 9), anchor="middle", size=9)
    for index, label in enumerate(rows):
        y = top + high * index
        canvas.text(0, y + high / 2, fit(label, left - 8))
        for number in range(len(columns)):
            cell, x = chart["cells"][index][number], left + each * number
            if cell is None:
                canvas.rect(x + 1, y + 1, each - 2, high - 2, WASH, LINE)
                canvas.text(x + each / 2, y + high / 2, "–", anchor="middle", colour=SOFT)
                continue
            ink = "#ffffff" if cell["share"] > 0.52 else CELL_INK
            canvas.rect(x + 1, y + 1, each - 2, high - 2, ramp(cell["share"]), LINE)
            middle = x + each / 2
            canvas.text(middle, y + 10.5, cell["text"], anchor="middle", size=9.5, colour=ink, bold=True)
            canvas.text(middle, y + 21.5, fit(cell["sub"], each - 4, 8), anchor="middle", size=8, colour=ink)
    return canvas.svg()
