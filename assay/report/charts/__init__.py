"""Charts of a report: plain JSON in, SVG out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from assay.report.charts.bars import bar_chart
from assay.report.charts.changes import change_chart
from assay.report.charts.curves import curve_chart
from assay.report.charts.grids import grid_chart
from assay.report.charts.intervals import interval_chart, panel_chart
from assay.report.charts.maps import map_chart
from assay.report.charts.spreads import spread_chart

__all__ = ["CHARTS", "draw"]

CHARTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "intervals": interval_chart,
    "panels": panel_chart,
    "grid": grid_chart,
    "curves": curve_chart,
    "bars": bar_chart,
    "changes": change_chart,
    "spreads": spread_chart,
    "maps": map_chart,
}


def draw(chart: Mapping[str, Any]) -> str:
    """The SVG of a chart; `chart["kind"]` names one of CHARTS."""
    return CHARTS[chart["kind"]](chart)
