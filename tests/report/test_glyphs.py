from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
import typst
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.report.glyphs import bundled_families, clean, families, shorten, shown, visible
from tests.report.fonts import write_font

FONTS = bundled_families()

PAGE = """
#set document(title: "t")
#set text(font: ("Libertinus Serif", "New Computer Modern", "New Computer Modern Math", "DejaVu Sans Mono"),
  lang: "en")
#let d = json("d.json")
#title(d.title)
#for s in d.texts { par(text(s)); par(text(weight: 600, s)); par(emph(s)) }
#image(bytes(d.svg), format: "svg", alt: "x")
"""


def typeset(folder: Path, texts: list[str], page: str = PAGE) -> bytes:
    """The texts in every style that the report uses, and inside a chart, as PDF/UA-1 and PDF/A-3a."""
    import json

    from assay.report.charts.canvas import Canvas

    canvas = Canvas(400, 20 * len(texts) + 20)
    for line, text in enumerate(texts):
        canvas.text(4, 20 * line + 10, shown(text, FONTS[:1]))
    (folder / "p.typ").write_text(page, encoding="utf-8")
    data = {"title": "t", "texts": [shown(text, FONTS) for text in texts], "svg": canvas.svg()}
    (folder / "d.json").write_text(json.dumps(data), encoding="utf-8")
    pdf, warnings = typst.compile_with_warnings(
        str(folder / "p.typ"), root=str(folder), ignore_system_fonts=True, pdf_standards=["ua-1", "a-3a"]
    )
    assert not warnings
    return bytes(pdf)


def test_every_code_point_called_covered_can_be_typeset(tmp_path: Path) -> None:
    points = sorted(set().union(*FONTS))
    rows = ["".join(map(chr, points[i : i + 40])) for i in range(0, len(points), 40)]
    assert sum(shown(chr(point), FONTS) == chr(point) for point in points) > 5_000
    assert len(typeset(tmp_path, rows)) > 10_000


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(max_size=60), min_size=1, max_size=20))
def test_any_text_can_be_typeset(tmp_path: Path, texts: list[str]) -> None:
    assert typeset(tmp_path, texts).startswith(b"%PDF")


def test_an_unshown_script_does_stop_typst(tmp_path: Path) -> None:
    page = PAGE.replace("d.texts", '("\u4e2d",)')
    with pytest.raises(typst.TypstError, match="could not be displayed"):
        typeset(tmp_path, ["a"], page)


def test_uncovered_characters_are_written_out() -> None:
    assert shown("A中文B", FONTS) == "A‹U+4E2D›‹U+6587›B"


@pytest.mark.parametrize(
    "character", ["\u202e", "\u2066", "\u200f", "\u200d", "\x00", "\x1b", "\n", "\ue000"]
)
def test_controls_and_bidi_overrides_are_never_silent(character: str) -> None:
    expected = f"a‹U+{ord(character):04X}›b"
    assert visible(f"a{character}b") == expected
    assert shown(f"a{character}b", FONTS) == expected


def test_common_scripts_of_the_bundled_fonts_stay_as_they_are() -> None:
    for text in ("Żółć, naïve façade", "Ελληνικά", "Кириллица", "שלום", "a ≤ b × c"):
        assert shown(text, FONTS) == text
        assert visible(text) == text


@given(st.text(max_size=200))
def test_what_is_shown_holds_no_hidden_character(text: str) -> None:
    assert not [c for c in shown(text, FONTS) + visible(text) if unicodedata.category(c)[0] == "C"]


def test_long_text_says_how_much_is_left_out() -> None:
    assert shorten("x" * 700, 600) == "x" * 600 + " …(100 more characters; full text in evidence.json)"
    assert clean({"a": ["x" * 9], "svg": "x" * 9}, str, limit=8, keep=frozenset({"svg"})) == {
        "a": ["xxxxxxxx …(1 more characters; full text in evidence.json)"],
        "svg": "x" * 9,
    }


def test_a_configured_font_folder_widens_the_coverage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_font(tmp_path / "extra.ttf", 0x4E2D)
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    monkeypatch.setenv("ASSAY_FONTS", str(tmp_path))
    assert shown("中文", families()) == "中‹U+6587›"
