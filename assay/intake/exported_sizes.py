"""Sizes in an exported program: numbers, and expressions over its free sizes, in a grammar of our own.

torch hands the text of an expression to sympy, which evaluates it as Python. Here it is parsed by a grammar
of six functions, and only what was parsed is written out again, with symbols renamed.

    expression = Symbol('sN', ...=True) | Integer(N) | N | FUNCTION(expression, ...)
    FUNCTION   = Add | Mul | Min | Max | FloorDiv | Mod
"""

from __future__ import annotations

import re
from typing import Any

from assay.datasets.values import visible
from assay.intake.exported_json import (
    DTYPES,
    LARGEST,
    STRIDED,
    BadProgram,
    field,
    only_item,
    sequence,
    text,
    whole,
)

__all__ = ["Symbols", "sym_int", "tensor_meta"]

_MAX_TEXT, _MAX_DEPTH, _MAX_TERMS = 1_000, 12, 100
_FUNCTIONS = frozenset(("Add", "Mul", "Min", "Max", "FloorDiv", "Mod"))
_TOKEN = re.compile(r"\s*(?:(-?\d{1,13})|([A-Za-z]{1,10})|([(),]))")
_SYMBOL = re.compile(r"\s*Symbol\('(s\d{1,4})'(?:, (?:positive|integer|nonnegative|nonzero)=True)*\)")


class Symbols:
    """The free sizes of a program, renamed s0, s1, ... in the order in which they are met."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def renamed(self, name: str) -> str:
        return self.names.setdefault(name, f"s{len(self.names)}")

    def rewritten(self, told: str) -> str:
        """The same expression, written anew from what the grammar understood. Raises BadProgram."""
        if len(told) > _MAX_TEXT:
            raise BadProgram(f"it has an expression of {len(told):,} characters")
        reader = _Reader(told, self)
        found = reader.expression(0)
        if told[reader.place :].strip():
            reader.refuse()
        return found


class _Reader:
    def __init__(self, told: str, symbols: Symbols) -> None:
        self._text, self._symbols = told, symbols
        self._terms = 0
        self.place = 0

    def refuse(self) -> None:
        shown = visible(self._text[:80])
        raise BadProgram(
            f'its expression "{shown}" is not plain arithmetic on sizes; torch would evaluate it as code'
        )

    def expression(self, depth: int) -> str:
        self._terms += 1
        if depth > _MAX_DEPTH or self._terms > _MAX_TERMS:
            self.refuse()
        if symbol := _SYMBOL.match(self._text, self.place):
            self.place = symbol.end()
            return f"Symbol('{self._symbols.renamed(symbol[1])}', positive=True, integer=True)"
        number, name, _ = self._next()
        if number:
            return self._integer(number)
        if name == "Integer":
            self._expect("(")
            number, _, _ = self._next()
            self._expect(")")
            return self._integer(number)
        if name not in _FUNCTIONS:
            self.refuse()
        self._expect("(")
        parts = [self.expression(depth + 1)]
        while (mark := self._next()[2]) == ",":
            parts.append(self.expression(depth + 1))
        if mark != ")" or len(parts) < 2 or (name in ("FloorDiv", "Mod") and len(parts) != 2):
            self.refuse()
        return f"{name}({', '.join(parts)})"

    def _integer(self, number: str) -> str:
        if not number or abs(int(number)) > LARGEST:
            self.refuse()
        return f"Integer({int(number)})"

    def _next(self) -> tuple[str, str, str]:
        found = _TOKEN.match(self._text, self.place)
        if found is None:
            self.refuse()
            raise AssertionError
        self.place = found.end()
        return found[1] or "", found[2] or "", found[3] or ""

    def _expect(self, mark: str) -> None:
        if self._next()[2] != mark:
            self.refuse()


def tensor_meta(given: Any, symbols: Symbols | None) -> dict[str, Any]:
    """Type, sizes and strides of a tensor, written anew, on the CPU. Raises BadProgram.

    Args:
        symbols: null where all sizes must be numbers.
    """
    layout, kind = field(given, "layout"), field(given, "dtype")
    if layout != STRIDED or type(kind) is not int or kind not in DTYPES:
        raise BadProgram("it has a tensor of a type that is not read (sparse, complex or quantised)")
    sizes, strides = (
        [sym_int(size, symbols) for size in sequence(field(given, name))] for name in ("sizes", "strides")
    )
    if len(sizes) != len(strides) or len(sizes) > 12:
        raise BadProgram("it has a tensor whose sizes and strides do not match")
    return {
        "dtype": kind,
        "sizes": sizes,
        "requires_grad": field(given, "requires_grad") is True,
        "device": {"type": "cpu", "index": None},
        "strides": strides,
        "storage_offset": sym_int(field(given, "storage_offset"), symbols),
        "layout": STRIDED,
    }


def sym_int(given: Any, symbols: Symbols | None) -> dict[str, Any]:
    kind, value = only_item(given)
    if kind == "as_int":
        return {kind: whole(value, 0)}
    if kind != "as_expr" or symbols is None:
        raise BadProgram("it has a size that is no number where one is needed")
    hint = value.get("hint") if isinstance(value, dict) else None
    written: dict[str, Any] = {"expr_str": symbols.rewritten(text(field(value, "expr_str"), 10_000))}
    if hint is not None:
        written["hint"] = {"as_int": whole(field(hint, "as_int"), 0)}
    else:
        written["hint"] = None
    return {kind: written}
