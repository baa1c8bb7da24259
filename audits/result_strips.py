"""A verdict in one line: value and interval against limit and target, small enough for a table's cell."""

from __future__ import annotations

import math

from markupsafe import Markup

from assay.contracts import Verdict
from assay.report.charts.canvas import Canvas, Scale
from assay.report.document.verdicts import PARITY, axis_bounds
from assay.report.html import drawing
from assay.report.palette import FAIL, INK, LINE, WARN

__all__ = ["strip"]

WIDTH, HEIGHT = 150.0, 22.0
_Edge = tuple[float | None, str, str | None]
"""Where, in which colour and dash."""


def strip(verdict: Verdict) -> Markup | None:
    """The drawing; None where there is nothing measured or no limit to stand beside it.

    The numbers stand beside it in the table, so it says nothing to a screen reader.
    """
    limits = verdict.limits
    edges: list[_Edge] = [(limits.minimum, FAIL, None), (limits.maximum, FAIL, None)]
    edges += [(limits.target_minimum, WARN, "2 2"), (limits.target_maximum, WARN, "2 2")]
    known = [edge for edge, _, _ in edges if edge is not None]
    if verdict.value is None or not known:
        return None
    known += [end for end in (verdict.value, verdict.low, verdict.high) if end is not None]
    known += [PARITY[verdict.unit]] if verdict.unit in PARITY else []
    known = [number for number in known if math.isfinite(number)]
    low, high = min(known), max(known)
    room = (high - low) * 0.12 or max(abs(high), 1.0) * 0.1
    floor, ceiling = axis_bounds(verdict.unit)
    scale = Scale(
        low - room if floor is None else max(floor, low - room),
        high + room if ceiling is None else min(ceiling, high + room),
        5.0,
        WIDTH - 5.0,
    )
    middle = HEIGHT / 2
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.line(0, middle, WIDTH, middle, LINE, 1)
    for edge, colour, dash in edges:
        if edge is not None and scale.holds(edge):
            canvas.line(scale(edge), 2, scale(edge), HEIGHT - 2, colour, 1.6, dash)
    start = verdict.low if verdict.low is not None else verdict.value
    stop = verdict.high if verdict.high is not None else verdict.value
    canvas.line(scale(start), middle, scale(stop), middle, INK, 1.6)
    canvas.mark(scale(verdict.value), middle, verdict.outcome)
    return drawing(canvas.svg())
