"""Readers of the JSON of an exported program: each takes what it is told to expect and nothing else."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from assay.datasets.values import visible

__all__ = [
    "DTYPES",
    "LARGEST",
    "STRIDED",
    "BadProgram",
    "field",
    "malformed",
    "mapping",
    "only_item",
    "plain_argument",
    "sequence",
    "text",
    "truth",
    "whole",
]

LARGEST = 2**40
STRIDED = 7
_MAX_LIST = 4_096
DTYPES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 12: 1, 13: 2}
"""Numbers of torch's scalar types that are read -> bytes: integers, halves, floats, doubles, bool."""
_STRING = re.compile(r"[A-Za-z0-9_,.> \-]{0,64}")
_INFINITE = ("Infinity", "-Infinity")


class BadProgram(Exception):
    """Why a program is refused, as the end of a sentence."""


def plain_argument(kind: str, value: Any) -> Any:
    """A constant argument. Raises BadProgram for kinds that hold graphs, objects or operators."""
    if kind == "as_int":
        return whole(value)
    if kind == "as_ints":
        return [whole(one) for one in sequence(value)]
    if kind == "as_float":
        return number(value)
    if kind == "as_floats":
        return [number(one) for one in sequence(value)]
    if kind == "as_bool":
        return truth(value)
    if kind == "as_bools":
        return [truth(one) for one in sequence(value)]
    if kind == "as_string" and isinstance(value, str) and _STRING.fullmatch(value):
        return value
    if kind == "as_scalar_type" and type(value) is int and value in DTYPES:
        return value
    if kind == "as_memory_format":
        return whole(value, 1, 4)
    if kind == "as_layout" and value == STRIDED:
        return STRIDED
    if kind == "as_device" and isinstance(value, dict):
        return {"type": "cpu", "index": None}
    raise BadProgram(
        f"an operator in it gets {visible(kind[:40])}, which is not read (nor are graphs and objects)"
    )


def only_item(given: Any) -> tuple[str, Any]:
    """Key and value of an object with one key."""
    if not isinstance(given, dict) or len(given) != 1:
        malformed()
    ((key, value),) = given.items()
    return str(key), value


def field(given: Any, name: str) -> Any:
    if not isinstance(given, dict) or name not in given:
        raise BadProgram(f'its graph lacks "{visible(name[:60])}" where one is needed')
    return given[name]


def mapping(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        malformed()
    return given


def sequence(given: Any) -> list[Any]:
    if not isinstance(given, list) or len(given) > _MAX_LIST:
        malformed()
    return given


def text(given: Any, most: int) -> str:
    if not isinstance(given, str) or not 0 < len(given) <= most:
        malformed()
    return given


def whole(given: Any, low: int = -LARGEST, high: int = 2**63 - 1) -> int:
    if type(given) is not int or not low <= given <= high:
        raise BadProgram("its graph holds a number out of range")
    return given


def number(given: Any) -> Any:
    if type(given) in (int, float) or (isinstance(given, str) and given in _INFINITE):
        return given
    raise BadProgram("its graph holds a number that is none")


def truth(given: Any) -> bool:
    if not isinstance(given, bool):
        malformed()
    return given


def malformed() -> NoReturn:
    raise BadProgram("its graph does not have the shape that torch.export writes")
