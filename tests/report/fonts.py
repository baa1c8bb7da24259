"""Writes a real font with one square glyph, so that tests need no font package."""

from __future__ import annotations

from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen


def write_font(path: Path, point: int) -> None:
    """A TrueType font named "Assay Square" that covers `point` and nothing else."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for place in ((900, 0), (900, 800), (100, 800)):
        pen.lineTo(place)
    pen.closePath()
    glyph = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "square"])
    builder.setupCharacterMap({point: "square"})
    builder.setupGlyf({".notdef": glyph, "square": glyph})
    builder.setupHorizontalMetrics({".notdef": (1000, 100), "square": (1000, 100)})
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable(
        {"familyName": "Assay Square", "styleName": "Regular", "psName": "AssaySquare-Regular"}
    )
    builder.setupOS2(sTypoAscender=900, sTypoDescender=-100, usWinAscent=900, usWinDescent=100)
    builder.setupPost()
    builder.save(path)
