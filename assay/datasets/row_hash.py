"""Content hashes of rows: equal values give equal hashes, in any dataset and file format.

A number is hashed by its value, true/false without regard to case, other text by its characters. Loops run
over distinct values only.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assay.datasets.values import EXACT, as_number

__all__ = ["Hashes", "combine_hashes", "hash_column", "hash_numbers", "hash_strings"]

Hashes = npt.NDArray[np.uint64]

_MISSING = np.uint64(0x9E3779B97F4A7C15)


def _mix(bits: Hashes) -> Hashes:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014): a bijection that spreads every bit."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = bits ^ (bits >> np.uint64(31))
    return mixed


def hash_numbers(values: npt.NDArray[np.float64]) -> Hashes:
    """64-bit hash of each number; -0 equals 0 and every NaN is the one missing value."""
    bits = (np.asarray(values, dtype=np.float64) + 0.0).view(np.uint64)
    return np.where(np.isnan(values), _MISSING, _mix(bits))


def hash_strings(values: Sequence[str | None]) -> Hashes:
    """64-bit hash of each value: a number as `hash_numbers` does it, text by BLAKE2b, None as missing."""
    hashes = np.full(len(values), _MISSING, dtype=np.uint64)
    places: list[int] = []
    numbers: list[float] = []
    for place, value in enumerate(values):
        if value is None:
            continue
        number = as_number(value)
        if number is not None and abs(number) < EXACT:
            places.append(place)
            numbers.append(number)
            continue
        text = value.lower() if value.lower() in ("true", "false") else value
        hashes[place] = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
    hashes[places] = hash_numbers(np.array(numbers, dtype=np.float64))
    return hashes


def hash_column(column: pa.Array) -> Hashes:
    """Content hash of each cell of a string or float64 array; nulls count as missing."""
    if pa.types.is_floating(column.type):
        return hash_numbers(np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64))
    numbers = _exact_numbers(column)
    if numbers is not None:
        return hash_numbers(numbers)
    encoded = pc.dictionary_encode(column, null_encoding="encode")
    indices = np.asarray(encoded.indices, dtype=np.int64)
    return hash_strings(encoded.dictionary.to_pylist())[indices]


def _exact_numbers(column: pa.Array) -> npt.NDArray[np.float64] | None:
    """The numbers that all cells spell, or None; a shortcut past the strings with the same hashes."""
    try:
        numbers = np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    except pa.ArrowInvalid:
        return None
    spelt = numbers[np.asarray(column.is_valid())]
    return numbers if bool((np.abs(spelt) < EXACT).all()) else None


def combine_hashes(columns: Sequence[Hashes]) -> Hashes:
    """One hash per row from the hashes of its values, in the order of the columns."""
    if not columns:
        raise ValueError("no columns to hash")
    row = np.zeros_like(columns[0])
    for column in columns:
        row = _mix(row * np.uint64(0x9E3779B97F4A7C15) + column)
    return row
