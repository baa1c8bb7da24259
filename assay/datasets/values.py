"""Cell values: when two spellings mean the same value, and how values are ordered.

Numbers are compared by value ("1", "1.0" and a Parquet 1.0 agree), booleans without regard to case,
everything else as trimmed text.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable

__all__ = [
    "EXACT",
    "NUMBER",
    "as_number",
    "canonical_number",
    "canonical_value",
    "canonical_values",
    "same_values",
    "value_order",
    "visible",
]

NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""Regular expression of a number: no underscores, blanks or hexadecimals."""
_NUMBER = re.compile(NUMBER)
_CODE = re.compile(r"[+-]?0[0-9]")
EXACT = 2.0**53
"""Whole numbers from here on are not all told apart by float64."""


def as_number(text: str) -> float | None:
    """The finite number that `text` spells, or None. Underscores, blanks and hexadecimals are no numbers."""
    if _NUMBER.fullmatch(text) is None:
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def canonical_number(value: float) -> str:
    """One spelling per number: whole numbers without a point, others as the shortest exact decimal."""
    if value == int(value) and abs(value) < EXACT:
        return str(int(value))
    return repr(value)


def visible(text: str) -> str:
    """Control and invisible formatting characters spelt out (`\\x1b`), so that no text hides or moves."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def canonical_values(values: Iterable[str]) -> dict[str, str]:
    """Raw value -> canonical value of a category column.

    Numbers are unified by value when every value is a number without leading zeros (codes such as "007"
    are no numbers); true/false are lower-cased when nothing else occurs; other text stays, made visible.
    """
    raw = list(values)
    if {value.lower() for value in raw} <= {"true", "false"}:
        return {value: value.lower() for value in raw}
    numbers = [as_number(value) for value in raw]
    if not any(_CODE.match(value) for value in raw):
        unified = {
            value: canonical_number(number)
            for value, number in zip(raw, numbers, strict=True)
            if number is not None and abs(number) < EXACT
        }
        if len(unified) == len(raw):
            return unified
    return {value: visible(value) for value in raw}


def canonical_value(value: str) -> str:
    """One spelling per value on its own: numbers by value ("01" and "1.0" are 1), true/false in lower."""
    number = as_number(value)
    if number is not None and abs(number) < EXACT:
        return canonical_number(number)
    return value.lower() if value.lower() in ("true", "false") else visible(value)


def same_values(values: Iterable[str]) -> dict[str, str]:
    """Canonical value -> the one of `values` that spells it; one that several spell is left out."""
    found: dict[str, list[str]] = {}
    for value in dict.fromkeys(values):
        found.setdefault(canonical_value(value), []).append(value)
    return {canonical: spelt[0] for canonical, spelt in found.items() if len(spelt) == 1}


def value_order(values: Iterable[str]) -> list[str]:
    """Distinct values in order: by number when all are numbers, otherwise as text."""
    distinct = set(values)
    keys: dict[str, float] = {}
    for value in distinct:
        number = as_number(value)
        if number is None:
            return sorted(distinct)
        keys[value] = number
    return sorted(distinct, key=lambda value: (keys[value], value))
