"""The figure of mean maps, from the series that an explanation of images leaves."""

from __future__ import annotations

import pytest

from assay.contracts import Evidence, Series, SeriesColumn
from assay.report.document.attribution_maps import map_blocks
from assay.report.document.book import Book
from tests.report.sample import evidence

METHOD = "explainability.grad_cam"


def with_map(**replaced: tuple[object, ...]) -> Evidence:
    columns = {
        "class": ("all",) * 4 + ("cat",) * 4,
        "row": (0, 0, 1, 1) * 2,
        "column": (0, 1, 0, 1) * 2,
        "share": (0.1, 0.2, 0.3, 0.4, 0.7, 0.1, 0.1, 0.1),
        "images": (40,) * 4 + (12,) * 4,
        **replaced,
    }
    series = Series(
        id=f"{METHOD}.map",
        title="Mean map",
        method=METHOD,
        columns=tuple(SeriesColumn(name=n, unit="cell", values=v) for n, v in columns.items()),  # type: ignore[arg-type]
    )
    return evidence().model_copy(update={"series": (series,)})


def test_each_class_has_a_panel_and_its_brightest_cell_in_words() -> None:
    (figure,) = map_blocks(Book(with_map()), METHOD)
    assert [panel["title"] for panel in figure["chart"]["panels"]] == ["All images", "Predicted cat"]
    assert figure["chart"]["panels"][1]["cells"] == [[0.7, 0.1], [0.1, 0.1]]
    assert figure["chart"]["top"] == pytest.approx(0.7)
    assert "cat mostly at row 1 of 2, column 1 of 2" in figure["alt"]
    assert [cell["text"] for cell in figure["table"]["rows"][1]] == [
        *("Predicted cat", "12", "row 1 of 2, column 1 of 2", "70.0%")
    ]


def test_other_methods_and_empty_series_have_no_figure() -> None:
    assert map_blocks(Book(with_map()), "explainability.integrated_gradients") == []
    empty = dict.fromkeys(("class", "row", "column", "share", "images"), ())
    assert map_blocks(Book(with_map(**empty)), METHOD) == []
