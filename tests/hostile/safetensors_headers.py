"""Weights whose header lies: about lengths, places, shapes, names; and weights that are no numbers."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile.case import Hostile
from tests.models.made import linear_folder, number

__all__ = ["CASES"]

_LIES = "the header lies"


def _with(content: Callable[[], bytes]) -> Callable[[Path], Path]:
    """A sound torch_folder with other weights."""

    def make(folder: Path) -> Path:
        model = linear_folder(folder / "model", [number("x")], [1.0])
        (model / "model.safetensors").write_bytes(content())
        return model

    return make


def _whole(header: dict[str, Any] | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _entry(shape: list[Any], first: int, stop: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, stop]}


def _case(name: str, says: str, header: Any, data: bytes = b"", length: int | None = None) -> Hostile:
    return Hostile(name, _with(lambda: _whole(header, data, length)), says)


def _numbers(*values: float) -> bytes:
    """Weights of the model's own names and shapes."""
    header = {"head.weight": _entry([2, 1], 0, 8), "head.bias": _entry([2], 8, 16)}
    return _whole(header, struct.pack("<4f", *values))


CASES = (
    _case("overlapping", _LIES, {"a": _entry([2], 0, 8), "b": _entry([2], 4, 12)}, bytes(12)),
    _case("the same bytes twice", _LIES, {"a": _entry([2], 0, 8), "b": _entry([2], 0, 8)}, bytes(8)),
    _case("a gap", _LIES, {"a": _entry([1], 0, 4), "b": _entry([1], 8, 12)}, bytes(12)),
    _case("beyond the end", "cut short", {"a": _entry([1000], 0, 4000)}, bytes(4)),
    _case("bytes to spare", "bytes to spare", {"a": _entry([1], 0, 4)}, bytes(4_000)),
    _case("a shape of terabytes", "does not fit", {"a": _entry([2**20, 2**20], 0, 4)}, bytes(4)),
    _case("a product that overflows", "does not fit", {"a": _entry([2**32, 2**32], 0, 0)}),
    _case("a negative size", "does not fit", {"a": _entry([-1, -1], 0, 4)}, bytes(4)),
    _case("a negative place", "does not fit", {"a": _entry([1], -4, 0)}, bytes(4)),
    _case("ends before it begins", "does not fit", {"a": _entry([1], 4, 0)}, bytes(4)),
    _case("a size that is text", "malformed", {"a": _entry(["4"], 0, 4)}, bytes(4)),
    _case("a size that is true", "malformed", {"a": _entry([True], 0, 4)}, bytes(4)),
    _case("a size with a fraction", "malformed", {"a": _entry([1.0], 0, 4)}, bytes(4)),
    _case("an unknown type", "not known", {"a": _entry([1], 0, 8, "OBJECT")}, bytes(8)),
    _case(
        "a name twice",
        "not JSON",
        b'{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},' * 1
        + b'"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}',
        bytes(4),
    ),
    _case("a header of exabytes", "header is said to have", {}, length=2**63),
    _case("a header of no bytes", "header is said to have", {}, length=0),
    _case("a header past the end", "header is said to have", {}, length=10_000),
    _case("a header that is a list", "no JSON object", b"[]"),
    _case("a header nested a million deep", "not JSON", b"[" * 1_000_000),
    _case("a header of NaN", "malformed|not JSON", b'{"a":NaN}'),
    _case("metadata that are objects", "metadata", {"__metadata__": {"a": {"b": "c"}}}),
    _case("a name of control characters", "does not fit", {"\x1b[2J\n": _entry([9], 0, 4)}, bytes(4)),
    _case("a million dimensions", "does not fit", {"a": _entry([1] * 1_000_000, 0, 5)}, bytes(5)),
    Hostile("NaN weights", _with(lambda: _numbers(float("nan"), 0, 0, 0)), "NaN or infinite weights"),
    Hostile("infinite weights", _with(lambda: _numbers(0, 0, 0, float("-inf"))), "NaN or infinite weights"),
    Hostile("seven bytes", _with(lambda: bytes(7)), "cut short"),
    Hostile("nothing", _with(lambda: b""), "cut short"),
)
