"""Raw cells to values: blanks trimmed, missing tokens turned into nulls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["DEFAULT_MISSING", "NAN_WORDS", "Cleaner", "data_row", "numbers"]

DEFAULT_MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?")
NAN_WORDS = ("NaN", "nan", "NAN", "Nan", "-nan", "-NaN", "+nan", "+NaN")

Numbers = npt.NDArray[np.float64]


class Cleaner:
    """Cleans one column, batch by batch, and remembers what it changed.

    Args:
        missing: the tokens that mean missing, after trimming.
        watch: count which tokens occur.
    """

    def __init__(self, missing: Sequence[str], *, watch: bool = False) -> None:
        self.trimmed = False
        """Whether some value had blanks around it."""
        self.words: Counter[str] = Counter()
        """Token -> how often it was read as missing (only with `watch`)."""
        self._tokens = pa.array(list(missing), pa.string())
        self._watch = watch

    def clean(self, column: pa.Array) -> pa.Array:
        """Trimmed strings with nulls for tokens; of a float64 array, NaN becomes null."""
        if pa.types.is_floating(column.type):
            return pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
        trimmed = pc.utf8_trim_whitespace(column)
        if not self.trimmed:
            self.trimmed = not trimmed.equals(column)
        missing = pc.is_in(trimmed, value_set=self._tokens)
        if self._watch and missing.true_count:
            counted = pc.value_counts(trimmed.filter(missing))
            words = counted.field("values").to_pylist()
            self.words.update(dict(zip(words, counted.field("counts").to_pylist(), strict=True)))
        return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)


def numbers(parsed: pa.Array) -> Numbers:
    """float64 with NaN for nulls."""
    return np.asarray(parsed.to_numpy(zero_copy_only=False), dtype=np.float64)


def data_row(place: int) -> str:
    """How a reader finds the 0-based row `place`: counted from 1, without the header."""
    return f"data row {place + 1:,}"
