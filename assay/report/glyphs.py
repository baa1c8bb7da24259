"""Text that a font can show, and everything else made visible instead of lost.

PDF/A and PDF/UA forbid missing glyphs, so typst stops an export at the first one. User text (titles,
group and column names, notes) may hold any script, so before it is typeset every character that no
font covers, every control or invisible character and every bidirectional override is written out as
‹U+4E2D›. Nothing is dropped silently; the attached evidence.json keeps the exact text.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

__all__ = [
    "FONTS_VARIABLE",
    "Families",
    "bundled_families",
    "chart_families",
    "clean",
    "families",
    "plain_families",
    "shorten",
    "shown",
    "visible",
]

FONTS_VARIABLE = "ASSAY_FONTS"
"""Names a folder of further fonts (.ttf, .otf, .ttc), for scripts that the bundled ones lack."""

Families = tuple[frozenset[int], ...]
"""Code points of each font family, in the order in which they are tried."""


@lru_cache(maxsize=1)
def bundled_families() -> Families:
    """Coverage of the fonts inside typst: for each family the code points that all its styles have."""
    text = (files("assay.report") / "templates" / "coverage.txt").read_text("utf-8")
    found: list[set[int]] = []
    for line in text.splitlines():
        if line.startswith("["):
            found.append(set())
        elif line and not line.startswith("#"):
            for piece in line.split():
                first, _, last = piece.partition("-")
                found[-1].update(range(int(first, 16), int(last or first, 16) + 1))
    return tuple(frozenset(points) for points in found)


def _folder_families(folder: Path) -> Iterator[frozenset[int]]:
    from fontTools.ttLib import TTCollection, TTFont, TTLibError

    names: dict[str, set[int]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".ttf", ".otf", ".ttc"}):
        try:
            data = BytesIO(path.read_bytes())
            fonts = TTCollection(data).fonts if path.suffix.lower() == ".ttc" else [TTFont(data, lazy=True)]
            for font in fonts:
                if font["name"].getDebugName(6) is None:
                    continue  # typst ignores a font without PostScript name
                family = str(font["name"].getBestFamilyName())
                points = set(font.getBestCmap() or ())
                names[family] = names[family] & points if family in names else points
        except (TTLibError, OSError, KeyError, AssertionError):
            continue  # a broken font file covers nothing; typst skips it as well
    yield from (frozenset(points) for points in names.values())


@lru_cache(maxsize=4)
def _families(folder: str) -> Families:
    extra = tuple(_folder_families(Path(folder))) if folder and Path(folder).is_dir() else ()
    return bundled_families() + extra


def families() -> Families:
    """Coverage of the bundled fonts and of the folder named by ASSAY_FONTS."""
    return _families(os.environ.get(FONTS_VARIABLE, ""))


def chart_families() -> Families:
    """What charts may use: the family that they name and the configured fonts.

    A chart's text falls back to other fonts less reliably than the page's text does.
    """
    found = families()
    return (found[0], *found[len(bundled_families()) :])


def plain_families() -> Families:
    """The text family alone, which needs no fallback at all."""
    return families()[:1]


def _code(character: str) -> str:
    return f"‹U+{ord(character):04X}›"


def _hidden(character: str) -> bool:
    """Controls, format characters (bidi overrides, joiners), private use, surrogates, unassigned."""
    category = unicodedata.category(character)
    return category[0] == "C" or category in {"Zl", "Zp"}


def visible(text: str) -> str:
    """Controls, invisible and bidirectional characters written out; the rest as it is (for HTML)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_code(c) if _hidden(c) else c for c in text)


_MARKS = (
    (range(0x0300, 0x0370), range(0x0020, 0x110000)),
    (range(0x0591, 0x05C8), range(0x05D0, 0x05F5)),
    (range(0x064B, 0x0660), range(0x0620, 0x06D6)),
)
"""Combining marks and the base characters that they may follow: accents anything, Hebrew and Arabic
points their own letters. Shapers put other combinations on a placeholder that no font may have."""


def _carries(base: int, mark: int) -> bool:
    return any(mark in marks and base in bases for marks, bases in _MARKS)


def shown(text: str, fonts: Families, lost: set[str] | None = None) -> str:
    """`visible`, and every character or cluster that the fonts cannot show written out too (for PDF).

    A base character and its combining marks must come from one font, or the shaper has no glyph for
    them. Which font of several takes the base differs between text and charts, so a mark stays only
    where every family that covers its base covers the mark too.

    Args:
        lost: takes the characters that another font would show.
    """
    if text.isascii() and text.isprintable():
        return text
    pieces: list[str] = []
    base, able = 0, tuple[frozenset[int], ...]()  # the cluster's base and the families that cover it
    for character in unicodedata.normalize("NFC", text):
        point = ord(character)
        if unicodedata.category(character)[0] == "M":
            keep = bool(able) and _carries(base, point) and all(point in family for family in able)
        else:
            base, able = point, tuple(family for family in fonts if point in family)
            keep = bool(able) and not _hidden(character)
        if not keep:
            able = ()
            if lost is not None and not _hidden(character):
                lost.add(character)
        pieces.append(character if keep else _code(character))
    return "".join(pieces)


def shorten(text: str, limit: int) -> str:
    """At most about `limit` characters, saying how many are left out and where they stand."""
    if len(text) <= limit:
        return text
    return f"{text[:limit].rstrip()} …({len(text) - limit:,} more characters; full text in evidence.json)"


def clean(
    value: Any, show: Callable[[str], str], limit: int = 600, keep: frozenset[str] = frozenset()
) -> Any:
    """A JSON value with every string shortened and passed through `show`; keys in `keep` stay as they are."""
    if isinstance(value, str):
        return show(value if len(value) <= limit else shorten(value, limit))
    if isinstance(value, dict):
        return {k: v if k in keep else clean(v, show, limit, keep) for k, v in value.items()}
    if isinstance(value, list):
        return [clean(item, show, limit, keep) for item in value]
    return value
