"""The mean maps of explained images, class by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.contracts import Series
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, number_column
from assay.report.document.model import Block, Figure

__all__ = ["map_blocks"]

_ACROSS = 4
_NAMES = ("class", "row", "column", "share", "images")


def map_blocks(book: Book, method: str) -> list[Block]:
    """A figure of maps on one scale for each `….map` series of the method."""
    found = [s for s in book.evidence.series if s.method == method and s.id == f"{method}.map"]
    return [figure for figure in (_figure(book, series) for series in found) if figure is not None]


def _figure(book: Book, series: Series) -> Figure | None:
    values: dict[str, Sequence[Any]] = {c.name: c.values for c in series.columns}
    if not set(_NAMES) <= values.keys() or not values["class"]:
        return None
    maps: dict[str, dict[tuple[int, int], float]] = {}
    images: dict[str, int] = {}
    for name, row, place, share, count in zip(*(values[name] for name in _NAMES), strict=True):
        maps.setdefault(str(name), {})[int(row), int(place)] = float(share or 0.0)
        images[str(name)] = int(count)
    panels: list[dict[str, Any]] = [
        {
            "title": "All images" if name == "all" else f"Predicted {name}",
            "sub": f"{fmt.count(images[name])} images",
            "cells": _grid(cells),
        }
        for name, cells in maps.items()
    ]
    top = max(max(cells.values()) for cells in maps.values())
    return book.figure(
        f"{series.title}, as share of the whole map in each cell of the grid. Outside the dashed line: the "
        "border.",
        "Where the maps lie: "
        + "; ".join(f"{name} mostly at {_peak(cells)}" for name, cells in maps.items())
        + ".",
        {
            "kind": "maps",
            "panels": panels,
            "top": top,
            "top_text": f"{top:.1%} of the map",
            "frame": 1 / 8,
            "across": min(_ACROSS, max(3, len(panels))),
        },
        [column("Images"), number_column("n"), column("Brightest cell"), number_column("Its share")],
        [
            [panel["title"], fmt.count(images[name]), _peak(cells), f"{max(cells.values()):.1%}"]
            for panel, (name, cells) in zip(panels, maps.items(), strict=True)
        ],
        [series],
    )


def _grid(cells: dict[tuple[int, int], float]) -> list[list[float]]:
    rows, columns = (1 + max(place[axis] for place in cells) for axis in (0, 1))
    return [[cells.get((row, place), 0.0) for place in range(columns)] for row in range(rows)]


def _peak(cells: dict[tuple[int, int], float]) -> str:
    """In words, as a reader without the picture would want it: "row 1 of 14, column 1 of 14"."""
    row, place = max(cells, key=lambda at: cells[at])
    rows, columns = (1 + max(at[axis] for at in cells) for axis in (0, 1))
    return f"row {row + 1} of {rows}, column {place + 1} of {columns}"
