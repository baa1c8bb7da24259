from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from assay.report.charts import draw
from assay.report.charts.canvas import Canvas, LogScale, Scale, ramp, tick_texts, ticks, wrap
from assay.report.document import build_document, figures
from assay.report.palette import FAIL, STYLES
from tests.report.sample import evidence

SVG = "{http://www.w3.org/2000/svg}"


def row(**more: Any) -> dict[str, Any]:
    base = {"label": "Female / Male", "value": 0.5, "low": 0.4, "high": 0.6, "outcome": "fail"}
    return base | {"text": "0.50", "limit": None, "target": None} | more


def intervals(rows: list[dict[str, Any]], **more: Any) -> ElementTree.Element:
    chart = {"kind": "intervals", "rows": rows, "lines": [], "bounds": [0.0, 2.0], "parity": 1.0}
    return ElementTree.fromstring(draw(chart | {"title": "ratio", "words": True} | more))


def lightness(colour: str) -> float:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_every_outcome_has_its_own_shape_and_its_word() -> None:
    shapes = set()
    for outcome, style in STYLES.items():
        canvas = Canvas(20, 20)
        canvas.mark(10, 10, outcome)
        mark = ElementTree.fromstring(canvas.svg())[0]
        filled = mark.get("fill") not in (None, "none", "#ffffff")
        shapes.add((mark.tag, (mark.get("d") or "").count("l"), filled))
        assert style.word in ElementTree.tostring(intervals([row(outcome=outcome)]), encoding="unicode")
    assert len(shapes) == len(STYLES)


def test_the_limit_line_stands_where_the_limit_is() -> None:
    picture = intervals([row(value=0.8, low=0.8, high=0.8)], lines=[{"value": 0.8, "label": "limit 0.80"}])
    lines = [e for e in picture.iter(f"{SVG}line") if e.get("stroke") == FAIL and e.get("stroke-dasharray")]
    cross = next(e for e in picture.iter(f"{SVG}path") if e.get("stroke") == FAIL)
    middle = float((cross.get("d") or "").removeprefix("M").split()[0]) + 3.4
    assert len(lines) == 1
    assert float(lines[0].get("x1") or 0) == pytest.approx(middle, abs=0.2)


def test_an_open_interval_runs_to_the_edge_and_a_far_one_is_held_inside() -> None:
    for high in (None, 1e9):
        picture = intervals([row(high=high)])
        spans = [e for e in picture.iter(f"{SVG}line") if e.get("stroke-width") == "1.3"]
        assert float(spans[0].get("x2") or 0) < float(picture.get("width") or 0)


@given(st.text(max_size=60).filter(lambda t: all(ord(c) > 31 and not 0xD800 <= ord(c) < 0xE000 for c in t)))
def test_any_label_gives_well_formed_svg(label: str) -> None:
    if any(ord(c) in (0xFFFE, 0xFFFF) or 0x7F <= ord(c) < 0xA0 for c in label):
        return
    picture = intervals([row(label=label)])
    assert {e.tag.removeprefix(SVG) for e in picture.iter()} <= {
        "svg",
        "line",
        "path",
        "text",
        "circle",
        "rect",
    }


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
@example(879609.9999999999, 1e-3)
def test_ticks_are_round_inside_and_told_apart(low: float, span: float) -> None:
    assume(span > abs(low) * 1e-8)
    found = ticks(low, low + span)
    assert 1 <= len(found) <= 6
    assert all(low - span * 1e-6 <= value <= low + span * (1 + 1e-6) for value in found)
    if span > abs(low) * 1e-4 and span > 1e-4:
        assert len(set(tick_texts(found))) == len(found)


def test_shades_darken_steadily_so_grey_print_keeps_the_order() -> None:
    shades = [lightness(ramp(share / 20)) for share in range(21)]
    assert shades == sorted(shades, reverse=True)
    assert shades[0] - shades[-1] > 150


def test_a_scale_holds_what_lies_outside_at_its_ends() -> None:
    scale = Scale(0.0, 1.0, 10.0, 110.0)
    assert [scale(v) for v in (-5, 0, 0.5, 1, 9)] == [10, 10, 60, 110, 110]


def test_a_log_scale_gives_each_factor_of_ten_the_same_room() -> None:
    scale = LogScale(0.001, 1.0, 0.0, 300.0)
    assert [scale(v) for v in (0.0, 0.001, 0.01, 0.1, 1.0, 5.0)] == pytest.approx([0, 0, 100, 200, 300, 300])
    assert scale.marks() == [(0.001, "0.001"), (0.01, "0.01"), (0.1, "0.1"), (1.0, "1")]


@given(st.floats(1e-6, 1e6), st.floats(1.01, 1e9))
def test_a_log_scale_is_labelled_inside_its_ends(low: float, factor: float) -> None:
    marks = LogScale(low, low * factor, 0.0, 100.0).marks()
    assert 1 <= len(marks) <= 6
    assert all(low * 0.999 <= value <= low * factor * 1.001 for value, _ in marks)


def test_long_labels_break_at_a_space() -> None:
    lines = wrap("Equal opportunity: suitable candidates are selected at equal rates, sex", 220)
    assert len(lines) == 2
    assert lines[0].endswith(("selected", "are"))


def test_every_figure_of_a_report_can_be_drawn_without_its_series() -> None:
    for data in (evidence(), evidence(with_scores=False), evidence(with_policy=False)):
        for figure in figures(build_document(data)):
            assert ElementTree.fromstring(draw(figure["chart"])).tag == f"{SVG}svg"


def test_maps_share_one_scale_and_show_the_frame() -> None:
    panels = [
        {"title": "Predicted a", "sub": "12 images", "cells": [[0.0, 0.5], [0.25, 0.25]]},
        {"title": "Predicted b", "sub": "15 images", "cells": [[1.0, 0.0], [0.0, 0.0]]},
    ]
    chart = {"kind": "maps", "panels": panels, "top": 1.0, "top_text": "100%", "across": 3, "half": False}
    framed = ElementTree.fromstring(draw(chart | {"frame": 1 / 8}))
    shades = [e.get("fill") for e in framed.iter(f"{SVG}rect")]
    assert shades[:8] == [ramp(v) for v in (0.0, 0.5, 0.25, 0.25, 1.0, 0.0, 0.0, 0.0)]
    dashed = [e for e in framed.iter(f"{SVG}path") if e.get("stroke-dasharray")]
    assert len(dashed) == 2
    plain = ElementTree.fromstring(draw(chart | {"frame": 0}))
    assert not [e for e in plain.iter(f"{SVG}path") if e.get("stroke-dasharray")]
