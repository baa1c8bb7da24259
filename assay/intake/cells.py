"""Raw cells to values: blanks trimmed, missing tokens turned into nulls, numbers parsed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["DEFAULT_MISSING", "NAN_WORDS", "clean", "numbers", "parse_numbers"]

DEFAULT_MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?")
NAN_WORDS = ("NaN", "nan", "NAN", "Nan", "-nan", "-NaN", "+nan", "+NaN")

Numbers = npt.NDArray[np.float64]


def clean(column: pa.Array, missing: Sequence[str]) -> pa.Array:
    """Trimmed strings with nulls for `missing` tokens; float64 arrays pass with NaN as null."""
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
    trimmed = pc.utf8_trim_whitespace(column)
    tokens = pa.array(list(missing), pa.string())
    return pc.if_else(pc.is_in(trimmed, value_set=tokens), pa.scalar(None, pa.string()), trimmed)


def parse_numbers(column: pa.Array) -> pa.Array | None:
    """float64 of a cleaned column (nulls stay null), or None when some value is no number."""
    if pa.types.is_floating(column.type):
        return column
    try:
        return pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        return None


def numbers(parsed: pa.Array) -> Numbers:
    """float64 with NaN for nulls."""
    return np.asarray(parsed.to_numpy(zero_copy_only=False), dtype=np.float64)
