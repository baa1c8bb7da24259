"""Text that a font can show, and everything else made visible instead of lost.

PDF/A and PDF/UA forbid missing glyphs, so typst stops an export at the first one. User text (titles,
group and column names, notes) may hold any script, so before it is typeset every character that no
font covers, every control or invisible character and every bidirectional override is written out as
⟨U+4E2D⟩. Nothing is dropped silently; the attached evidence.json keeps the exact text.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

__all__ = ["FONTS_VARIABLE", "Families", "bundled_families", "clean", "families", "shown", "visible"]

FONTS_VARIABLE = "ASSAY_FONTS"
"""Names a folder of further fonts (.ttf, .otf, .ttc), for scripts that the bundled ones lack."""

Families = tuple[frozenset[int], ...]
"""Code points of each font family, in the order in which they are tried."""


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
            fonts = TTCollection(path).fonts if path.suffix.lower() == ".ttc" else [TTFont(path, lazy=True)]
            for font in fonts:
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


def _code(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


def _hidden(character: str) -> bool:
    """Controls, format characters (bidi overrides, joiners), private use, surrogates, unassigned."""
    category = unicodedata.category(character)
    return category[0] == "C" or category in {"Zl", "Zp"}


def visible(text: str) -> str:
    """Controls, invisible and bidirectional characters written out; the rest as it is (for HTML)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_code(c) if _hidden(c) else c for c in text)


def shown(text: str, fonts: Families) -> str:
    """`visible`, and every cluster that no single font family covers written out too (for PDF).

    A base character and its combining marks must come from one font, or the shaper has no glyph
    for them; a mark without such a base is written out.
    """
    if text.isascii() and text.isprintable():
        return text
    pieces: list[str] = []
    able: tuple[frozenset[int], ...] = ()  # families that cover the cluster so far
    for character in unicodedata.normalize("NFC", text):
        point = ord(character)
        if _hidden(character):
            able = ()
        elif unicodedata.category(character)[0] == "M":
            able = tuple(family for family in able if point in family)
        else:
            able = tuple(family for family in fonts if point in family)
        pieces.append(character if able else _code(character))
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
