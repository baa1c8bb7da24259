"""What an ONNX file holds in its tensors, and what its graphs can name."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.intake.onnx_fields import ELEMENT_BYTES, ELEMENT_NAMES

__all__ = [
    "MAX_ELEMENTS",
    "MAX_LOOP",
    "Malformed",
    "Names",
    "Refused",
    "check_count",
    "check_shape",
    "constant_of",
    "define",
    "numbers_of",
]

MAX_ELEMENTS = 2**31 - 1
MAX_LOOP = 10_000
Names = ChainMap[str, npt.NDArray[np.int64] | None]
"""What a graph can name, graphs around it included; small constants of whole numbers with their values."""
_SHAPED = {"ConstantOfShape": 0, "Expand": 1, "Reshape": 1}
"""Operators whose output has the shape that an input gives, and which."""


class Malformed(Exception):
    """What is wrong, as part of a sentence."""


class Refused(Exception):
    """A whole sentence: what is not read, and the way out."""


def define(names: Names, name: str, value: npt.NDArray[np.int64] | None) -> None:
    """Each name means one thing, in the graphs around too: else readers may take another for it."""
    if not name:
        return
    if name in names:
        raise Malformed(f'"{name[:60]}" is made twice')
    names[name] = value


def constant_of(attributes: Mapping[str, Any]) -> npt.NDArray[np.int64] | None:
    """The value of a Constant, where it is few whole numbers."""
    if len(attributes) != 1:
        raise Malformed("a Constant has not one value")
    ((key, attribute),) = attributes.items()
    if key == "value_ints":
        return np.asarray(attribute.get("ints", ()), dtype=np.int64)
    if key == "value_int":
        return np.array([attribute.get("i", 0)])
    tensor = attribute.get("t", {})
    count = math.prod(int(size) for size in tensor.get("dims", ()))
    if key != "value" or tensor.get("data_type") not in (6, 7) or count > 16:
        return None
    return numbers_of(tensor, ELEMENT_NAMES[tensor["data_type"]], count, "")


def check_count(node: Mapping[str, Any], names: Names) -> int:
    """The rounds of a loop. Raises Refused where they are not fixed, or too many."""
    inputs = node.get("input", ())
    most = names.get(inputs[0]) if inputs else None
    if most is None or most.size != 1 or not 0 <= int(most.reshape(-1)[0]) <= MAX_LOOP:
        raise Refused(
            f"has a loop without a fixed number of rounds of at most {MAX_LOOP:,}; unroll it and export "
            "it again."
        )
    return int(most.reshape(-1)[0])


def check_shape(node: Mapping[str, Any], operator: str, names: Names) -> None:
    if operator not in _SHAPED:
        return
    inputs, place = node.get("input", ()), _SHAPED[operator]
    shape = names.get(inputs[place]) if len(inputs) > place else None
    if shape is not None and math.prod(max(int(size), 1) for size in shape.reshape(-1)) > MAX_ELEMENTS:
        raise Malformed(f"a {operator} makes an array of more than {MAX_ELEMENTS:,} numbers")


def numbers_of(tensor: Mapping[str, Any], element: str, count: int, name: str) -> npt.NDArray[Any] | None:
    """The numbers of a tensor; None for strings and small types. Raises Malformed: not as many as said."""
    keys = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data", "raw_data")
    filled = [key for key in keys if key in tensor and len(tensor[key])]
    if len(filled) > 1:
        raise Malformed(f'"{name}" holds its numbers twice')
    if element == "string":
        right = len(tensor.get("string_data", ())) == count and filled in ([], ["string_data"])
    elif filled == ["raw_data"]:
        right = len(tensor["raw_data"]) == math.ceil(count * ELEMENT_BYTES[element])
    else:
        kind, each = _STORED.get(element, ("int32_data", 1.0))
        right = filled in ([], [kind]) and len(tensor.get(kind, ())) == math.ceil(count * each)
    if not right:
        raise Malformed(f'"{name}" does not hold the {count:,} numbers that its dimensions say')
    dtype = {"float": "<f4", "double": "<f8", "float16": "<f2", "int32": "<i4", "int64": "<i8"}.get(element)
    if dtype is None or not filled:
        return None
    if filled == ["raw_data"]:
        return np.frombuffer(tensor["raw_data"], dtype=dtype)
    found = tensor[filled[0]]
    if element == "float16":
        return np.asarray(found).astype(np.uint16).view(np.float16)
    return np.asarray(found)


_STORED: Mapping[str, tuple[str, float]] = {
    "float": ("float_data", 1),
    "complex64": ("float_data", 2),
    "double": ("double_data", 1),
    "complex128": ("double_data", 2),
    "int64": ("int64_data", 1),
    "uint32": ("uint64_data", 1),
    "uint64": ("uint64_data", 1),
    "uint4": ("int32_data", 0.5),
    "int4": ("int32_data", 0.5),
}
"""Where a type's numbers stand if not in raw_data, and how many entries one takes."""
