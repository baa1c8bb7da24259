"""Counting equal rows: the only pass over the data that the group rates need.

A cell is a combination of (sensitive attributes..., label, prediction[, cluster]) that occurs, with its
count of rows. Cells are kept sparse, so memory follows the number of combinations that occur and not the
number of rows; counts of shards add up exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.errors import Internal
from assay.methods.checked_arrays import Wanted, counted, whole

__all__ = ["Cells", "cell_arrays", "count_rows", "merge_cells"]

_DENSE_LIMIT = 1 << 21
"""Up to so many possible combinations a batch is counted by one dense bincount (16 MiB)."""
_PENDING_LIMIT = 1 << 20
"""Cells that may wait before equal ones are added up."""


@dataclass(frozen=True)
class Cells:
    """Distinct combinations and their counts, sorted by combination.

    codes: int32, shape (cells, columns); -1 stands for missing.
    counts: int64, shape (cells,).
    """

    columns: tuple[str, ...]
    codes: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]

    @property
    def rows(self) -> int:
        return int(self.counts.sum())


def cell_arrays(sizes: Sequence[int], rows: int) -> dict[str, Wanted]:
    """The arrays in which a partial holds its `Cells`: columns of so many categories, `rows` in all."""
    return {
        "codes": whole("cells", len(sizes), low=-1, top=tuple(sizes)),
        "counts": counted("cells", rows=rows, least=1),
    }


def count_rows(
    columns: Sequence[str], sizes: Sequence[int], batches: Iterable[Sequence[npt.NDArray[np.int32]]]
) -> Cells:
    """Count the distinct combinations of codes in a stream of batches.

    Args:
        columns: names of the K columns.
        sizes: number of categories of each; codes run from -1 (missing) to size - 1.
        batches: each a sequence of K int32 arrays of equal length.

    Raises:
        Internal: a code outside its range.
    """
    pending: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]] = []
    waiting = 0
    for batch in batches:
        codes, counts = _count_batch(columns, sizes, batch)
        pending.append((codes, counts))
        waiting += len(counts)
        if waiting > _PENDING_LIMIT and len(pending) > 1:
            pending = [_add_up(sizes, pending)]
            # A table that stays above the limit after adding up must not be added up at every batch.
            waiting = 0
    codes, counts = _add_up(sizes, pending)
    return Cells(tuple(columns), codes, counts)


def merge_cells(sizes: Sequence[int], parts: Sequence[Cells]) -> Cells:
    """Add up the cells of several shards. Raises Internal when their columns differ."""
    columns = parts[0].columns
    if any(part.columns != columns for part in parts):
        raise Internal("Shards counted different columns.")
    codes, counts = _add_up(sizes, [(part.codes, part.counts) for part in parts])
    return Cells(columns, codes, counts)


def _count_batch(
    columns: Sequence[str], sizes: Sequence[int], batch: Sequence[npt.NDArray[np.int32]]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    for name, size, codes in zip(columns, sizes, batch, strict=True):
        if len(codes) and (int(codes.min()) < -1 or int(codes.max()) >= size):
            raise Internal(f'Column "{name}" has codes outside its {size} categories.')
    radices = [size + 1 for size in sizes]
    if math.prod(radices) <= _DENSE_LIMIT:
        counts = np.bincount(_packed(batch, radices), minlength=1)
        occurring = np.flatnonzero(counts)
        return _unpacked(occurring, radices), counts[occurring].astype(np.int64)
    stacked = np.stack(batch, axis=1)
    return _add_up(sizes, [(stacked, np.ones(len(stacked), dtype=np.int64))])


def _add_up(
    sizes: Sequence[int], parts: Sequence[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Sort combinations lexicographically and add the counts of equal ones."""
    if not parts:
        return np.empty((0, len(sizes)), dtype=np.int32), np.empty(0, dtype=np.int64)
    codes = np.concatenate([part[0] for part in parts])
    counts = np.concatenate([part[1] for part in parts])
    if not len(counts):
        return codes, counts
    radices = [size + 1 for size in sizes]
    if math.prod(radices) < 2**63:
        packed = _packed(list(codes.T), radices)
        order = np.argsort(packed, kind="stable")
        packed = packed[order]
        first = np.flatnonzero(np.concatenate(([True], packed[1:] != packed[:-1])))
    else:
        order = np.lexsort(codes.T[::-1])
        ordered = codes[order]
        first = np.flatnonzero(np.concatenate(([True], (ordered[1:] != ordered[:-1]).any(axis=1))))
    return codes[order[first]], np.add.reduceat(counts[order], first)


def _packed(columns: Sequence[npt.NDArray[np.int32]], radices: Sequence[int]) -> npt.NDArray[np.int64]:
    """One integer per row: codes (shifted so that missing is 0) as digits, first column leading."""
    packed = np.zeros(len(columns[0]), dtype=np.int64)
    for codes, radix in zip(columns, radices, strict=True):
        packed *= radix
        packed += codes
        packed += 1
    return packed


def _unpacked(packed: npt.NDArray[np.int64], radices: Sequence[int]) -> npt.NDArray[np.int32]:
    codes = np.empty((len(packed), len(radices)), dtype=np.int32)
    for position in range(len(radices) - 1, -1, -1):
        packed, digit = np.divmod(packed, radices[position])
        codes[:, position] = digit - 1
    return codes
