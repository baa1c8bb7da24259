"""Counting equal rows loses none, whatever the batches, shards and code spaces."""

from __future__ import annotations

import numpy as np
import pytest

from assay.errors import Internal
from assay.methods.fairness.cells import Cells, count_rows, merge_cells


def _rows(rng: np.random.Generator, sizes: list[int], rows: int) -> list[np.ndarray]:
    return [rng.integers(-1, size, rows, dtype=np.int32) for size in sizes]


def _batches(columns: list[np.ndarray], step: int) -> list[list[np.ndarray]]:
    return [[c[i : i + step] for c in columns] for i in range(0, len(columns[0]), step)]


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([3, 2, 2], id="dense"),
        pytest.param([5_000, 2_000, 2], id="packed"),
        pytest.param([2**31 - 2, 2**31 - 2, 2**31 - 2], id="too many combinations to pack"),
    ],
)
def test_counts_are_those_of_the_distinct_rows(sizes: list[int]) -> None:
    columns = _rows(np.random.default_rng(0), sizes, 5_000)
    columns[0][:2_000] = columns[0][0]
    columns[1][:2_000] = columns[1][0]
    cells = count_rows(["a", "b", "c"], sizes, _batches(columns, 700))
    codes, counts = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    np.testing.assert_array_equal(cells.codes, codes)
    np.testing.assert_array_equal(cells.counts, counts)
    assert cells.rows == 5_000


def test_cells_of_shards_add_up_to_those_of_the_whole() -> None:
    sizes = [4, 3]
    columns = _rows(np.random.default_rng(1), sizes, 1_000)
    whole = count_rows(["a", "b"], sizes, _batches(columns, 1_000))
    parts = [
        count_rows(["a", "b"], sizes, _batches([c[i : i + 300] for c in columns], 64))
        for i in range(0, 1_000, 300)
    ]
    merged = merge_cells(sizes, parts)
    np.testing.assert_array_equal(merged.codes, whole.codes)
    np.testing.assert_array_equal(merged.counts, whole.counts)


def test_a_table_without_rows_has_no_cells() -> None:
    assert count_rows(["a"], [2], []).rows == 0


def test_a_code_outside_its_categories_is_an_error() -> None:
    with pytest.raises(Internal, match='"b" has codes outside its 2 categories'):
        count_rows(["a", "b"], [2, 2], [[np.zeros(1, np.int32), np.full(1, 2, np.int32)]])


def test_shards_that_counted_different_columns_are_refused() -> None:
    empty = np.empty((0, 1), np.int32), np.empty(0, np.int64)
    with pytest.raises(Internal, match="different columns"):
        merge_cells([2], [Cells(("a",), *empty), Cells(("b",), *empty)])
