"""Figures of a remedy's page, drawn by the engine's charts: loss curves, and what changed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from assay.contracts import Comparison, Series, SeriesColumn
from assay.report import formatting as fmt
from assay.report.charts import draw
from assay.report.document.change import comparison_name, loss_chart
from assay.report.document.verdicts import axis_bounds
from assay.report.palette import ACCENT, INK, LINE, SOFT, STYLES, WASH

__all__ = ["Figure", "change_figures", "loss_figures"]

_MOST = 14
_TABLE_ROWS = 60
_DRAWN = ("share", "difference", "ratio", "score")
_ORDER = ("worse", "better", "insufficient", "unchanged")
_VARIABLES = {
    INK: "--ink",
    SOFT: "--soft",
    LINE: "--line",
    WASH: "--wash",
    ACCENT: "--accent",
    "#ffffff": "--card",
    STYLES["pass"].colour: "--pass",
    STYLES["warn"].colour: "--warn",
    STYLES["fail"].colour: "--fail",
    STYLES["insufficient"].colour: "--none",
}


@dataclass(frozen=True)
class Figure:
    """An SVG with its alternative and its data as a table."""

    svg: SafeString
    alternative: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def loss_figures(lineage: Mapping[str, Any] | None) -> list[Figure]:
    """One for each unit of each training curve: losses, and the share answered rightly."""
    found = []
    for content in (lineage or {}).get("loss_curves", ()):
        series = Series.model_validate(content)
        x, *others = series.columns
        drawn = [c for c in others if any(_number(v) is not None for v in c.values)]
        if len(x.values) < 2:
            continue
        for unit in dict.fromkeys(c.unit for c in drawn):
            found.append(_curve(series, x, [c for c in drawn if c.unit == unit], unit))
    return found


def change_figures(entries: Sequence[Comparison]) -> list[Figure]:
    """Before and after with the interval of each change, one figure for each unit that has several."""
    return [
        _changes(unit, chosen)
        for unit in _DRAWN
        if (
            chosen := [c for c in entries if c.unit == unit and c.before is not None and c.change is not None]
        )
    ]


def _curve(series: Series, x: SeriesColumn, lines: Sequence[SeriesColumn], unit: str) -> Figure:
    names = " and ".join(c.name for c in lines)
    chart = {**loss_chart(x, lines), "half": False}
    ends = "; ".join(
        f"{c.name} from {fmt.value(_number(c.values[0]), unit)} to {fmt.value(_number(c.values[-1]), unit)}"
        for c in lines
    )
    step = max(1, math.ceil(len(x.values) / _TABLE_ROWS))
    return Figure(
        _svg(chart),
        f"{names} over {x.name}: {ends}.",
        f"{names[:1].upper()}{names[1:]} over {x.name}. {series.note or ''}".strip(),
        [c.name for c in (x, *lines)],
        [
            [fmt.value(_number(c.values[i]), c.unit) for c in (x, *lines)]
            for i in range(0, len(x.values), step)
        ],
    )


def _changes(unit: str, entries: Sequence[Comparison]) -> Figure:
    drawn = sorted(entries, key=lambda c: _ORDER.index(c.reading))[:_MOST]
    rows = [
        {
            "label": c.title,
            "who": comparison_name(c),
            **c.model_dump(include={"before", "after", "change", "low", "high", "tolerance", "reading"}),
        }
        for c in drawn
    ]
    chart = {"kind": "changes", "rows": rows, "bounds": axis_bounds(unit), "title": unit}
    words = "; ".join(
        f"{row['label']} {row['who']} {fmt.value(c.before, unit)} to {fmt.value(c.after, unit)}, {c.reading}"
        for c, row in zip(drawn[:8], rows, strict=False)
    )
    return Figure(
        _svg(chart),
        f"Values before and after: {words}.",
        f"Before (ring) and after (dot), as a {unit}; shaded: the tolerance of the change.",
        ("Measure", "Before", "After", "Change"),
        [
            (
                f"{c.title} {comparison_name(c)}",
                fmt.value(c.before, unit),
                fmt.value(c.after, unit),
                fmt.value(c.change, unit),
            )
            for c in drawn
        ],
    )


def _svg(chart: Mapping[str, Any]) -> SafeString:
    """The engine's SVG, whose colours follow the page's light and dark."""
    svg = draw(chart).replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
    # The page's fonts are wider than the one that the charts are laid out for.
    svg = re.sub(r'font-size="([\d.]+)"', lambda found: f'font-size="{float(found[1]) * 0.86:.2f}"', svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(f'"{colour}"', f'"var({variable})"')
    # Written and escaped by the engine's canvas alone.
    return mark_safe(svg)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
