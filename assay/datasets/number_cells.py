"""Columns of spelt numbers, read as numbers."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["parse_numbers"]

_PROBE = 64


def parse_numbers(column: pa.Array) -> pa.Array | None:
    """float64 of a string or float64 array (nulls stay null), or None when some value is no number.

    Numbers beyond float64 become infinite, and words for infinity and NaN are numbers here.
    """
    if pa.types.is_floating(column.type):
        return column
    try:
        # A cast that fails still goes through all rows, at a microsecond each: ask the first few first.
        pc.cast(column.slice(0, _PROBE), pa.float64())
        return pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        return None
