"""Content hashes of rows: equal values give equal hashes, in any dataset and file format.

A number is hashed by its value, true/false without regard to case, other text by its characters. All
vectorised: no loop over rows. pyarrow is loaded where columns are hashed only: the web process combines
hashes and does without its 40 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from assay.datasets.values import EXACT, NUMBER

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Hashes", "combine_hashes", "hash_column", "hash_numbers", "hash_strings", "hash_text"]

Hashes = npt.NDArray[np.uint64]

_MISSING = np.uint64(0x9E3779B97F4A7C15)
_SEED = np.uint64(0x5851F42D4C957F2D)
_TEXT_CHUNK = 2**20


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
    """64-bit hash of each value, None as missing; see `hash_column`."""
    import pyarrow as pa

    return hash_column(pa.array(values, pa.large_string()))


def hash_column(column: pa.Array) -> Hashes:
    """64-bit hash of each cell of a string or float64 array; nulls count as missing.

    A string that spells a number below 2**53 hashes as that number, TRUE as true, other text by simple
    tabulation: the sum over its UTF-8 bytes of a fixed random word per (position, byte), mixed with its
    length (Zobrist 1970; Pătraşcu & Thorup 2012). Different texts collide with a chance of about 2**-64.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(column.type):
        return hash_numbers(_floats(column))
    numbers = _spelt_numbers(column)
    numeric = np.abs(numbers) < EXACT
    if bool((numeric | np.asarray(column.is_null())).all()):
        return hash_numbers(numbers)
    lower = pc.utf8_lower(column)
    truth = pc.or_(pc.equal(lower, "true"), pc.equal(lower, "false"))
    if truth.true_count:
        column = pc.if_else(truth, lower, column)
    hashes = hash_text(pc.cast(column, pa.large_string()))
    hashes[numeric] = hash_numbers(numbers[numeric])
    hashes[np.asarray(column.is_null())] = _MISSING
    return hashes


def _floats(column: pa.Array) -> npt.NDArray[np.float64]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def _spelt_numbers(column: pa.Array) -> npt.NDArray[np.float64]:
    """The number that each cell spells; NaN where it spells none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from assay.datasets.number_cells import parse_numbers

    parsed = parse_numbers(column)
    if parsed is None:
        spelt = pc.match_substring_regex(column, f"^(?:{NUMBER})$")
        parsed = pc.cast(pc.if_else(spelt, column, pa.scalar(None, column.type)), pa.float64())
    return _floats(parsed)


def hash_text(column: pa.Array, seed: int = int(_SEED)) -> Hashes:
    """Tabulation hash of the characters of each large_string, a bounded number of bytes at a time.

    Another seed makes another hash; one that nobody knows beforehand cannot be made to collide.
    """
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int64)[column.offset :][: len(column) + 1]
    data = column.buffers()[2]
    text = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)
    lengths = np.diff(offsets)
    hashes = np.zeros(len(column), dtype=np.uint64)
    first = 0
    while first < len(column):
        reach = int(np.searchsorted(offsets, offsets[first] + _TEXT_CHUNK, side="right")) - 1
        stop = min(max(reach, first + 1), len(column))
        begin, end = int(offsets[first]), int(offsets[stop])
        starts = (offsets[first:stop] - begin)[lengths[first:stop] > 0]
        if len(starts):
            filled = lengths[first:stop][lengths[first:stop] > 0]
            position = np.arange(end - begin, dtype=np.uint64) - np.repeat(starts, filled).astype(np.uint64)
            words = _mix((position << np.uint64(8)) + text[begin:end] + np.uint64(seed))
            hashes[first:stop][lengths[first:stop] > 0] = np.add.reduceat(words, starts)
        first = stop
    return _mix(hashes ^ (lengths.astype(np.uint64) + np.uint64(1)) * _MISSING)


def combine_hashes(columns: Sequence[Hashes]) -> Hashes:
    """One hash per row from the hashes of its values, in the order of the columns."""
    if not columns:
        raise ValueError("no columns to hash")
    row = np.zeros_like(columns[0])
    for column in columns:
        row = _mix(row * np.uint64(0x9E3779B97F4A7C15) + column)
    return row
