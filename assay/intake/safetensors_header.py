"""The header of a safetensors file, checked before anything is allocated.

Layout: 8 bytes little-endian length, a JSON header of that length, then the tensors' bytes. A lying header
(wrong length, overlapping or foreign offsets, shapes that do not make the bytes) is refused here.
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.limits import MAX_TENSOR_HEADER

__all__ = ["check_safetensors"]

_SIZES = {
    **{"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1},
    **{"I16": 2, "U16": 2, "F16": 2, "BF16": 2},
    **{"I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8},
}


def check_safetensors(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name -> (type, shape) of every tensor.

    Raises BadInput: missing, truncated, a header that lies about its bytes, an unknown type.
    """
    name = f"{visible(path.parent.name)}/{visible(path.name)}"
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(8)
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
            if len(head) < 8 or length > MAX_TENSOR_HEADER or 8 + length > size or length < 2:
                raise BadInput(
                    f"{name} is not a safetensors file, or is cut short: its header is said to have "
                    f"{length:,} bytes, the file has {size:,}."
                )
            header: Any = json.loads(file.read(length), object_pairs_hook=_unique)
    except OSError as error:
        raise BadInput(f"{name} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError):
        raise BadInput(f"{name} is not a safetensors file: its header is not JSON.") from None
    if not isinstance(header, dict):
        raise BadInput(f"{name} is not a safetensors file: its header is no JSON object.")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise BadInput(f"{name} is not a safetensors file: its metadata are no texts.")
    tensors, spans = {}, []
    for tensor, entry in header.items():
        kind, shape, span = _entry(name, tensor, entry)
        tensors[str(tensor)] = (kind, shape)
        spans.append(span)
    end = 0
    for first, stop in sorted(spans):
        if first != end:
            raise BadInput(f"{name}: its tensors overlap or leave gaps; the header lies about the bytes.")
        end = stop
    if 8 + length + end != size:
        raise BadInput(
            f"{name} is cut short or has bytes to spare: its tensors need {8 + length + end:,} bytes, "
            f"the file has {size:,}."
        )
    return tensors


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers may each take another of two equal keys."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _entry(name: str, tensor: str, entry: Any) -> tuple[str, tuple[int, ...], tuple[int, int]]:
    shown = visible(str(tensor)[:80])
    try:
        kind = str(entry["dtype"])
        shape = tuple(_whole(size) for size in entry["shape"])
        first, stop = (_whole(place) for place in entry["data_offsets"])
        if len(entry) != 3:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise BadInput(f'{name}: the header\'s entry of tensor "{shown}" is malformed.') from None
    if kind not in _SIZES:
        raise BadInput(f'{name}: tensor "{shown}" is of type {visible(kind[:20])}, which is not known.')
    if min(shape, default=0) < 0 or first < 0 or stop - first != math.prod(shape) * _SIZES[kind]:
        raise BadInput(
            f'{name}: tensor "{shown}" of shape {shape[:8]} does not fit its {stop - first:,} bytes; '
            "the header lies or the file is damaged."
        )
    return kind, shape, (first, stop)
