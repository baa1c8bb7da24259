"""The first pass: what each column holds, in one stream over the file and bounded memory."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assay.datasets.number_cells import parse_numbers
from assay.datasets.row_hash import Hashes, hash_column
from assay.intake.cells import numbers
from assay.stats.quantile_sketch import QuantileSketch

__all__ = ["CATEGORY_LIMIT", "ColumnScan"]

CATEGORY_LIMIT = 10_000
"""Distinct values that are counted one by one."""


class ColumnScan:
    """Running summary of one column of one dataset.

    Args:
        name: the column.
        limit: distinct values to count one by one; past it `values` is None.
        keep_hashes: keep a hash per value (identifiers, clusters): 8 bytes a row for identifiers, 8 bytes a
            distinct value for clusters (`unique_hashes`).
        sketched: sketch the numbers' quantiles.
    """

    def __init__(
        self,
        name: str,
        limit: int = CATEGORY_LIMIT,
        *,
        keep_hashes: bool = False,
        unique_hashes: bool = False,
        sketched: bool = False,
    ) -> None:
        self.name = name
        self.rows = 0
        self.missing = 0
        self.first_missing: int | None = None
        self.not_a_number = 0
        """Values that spell NaN though the missing tokens do not name it."""
        self.infinite = 0
        self.first_infinite: int | None = None
        self.numeric = True
        self.integral = True
        self.first_word: tuple[int, str] | None = None
        """Row and value of the first cell that is no number."""
        self.minimum = np.inf
        self.maximum = -np.inf
        self.total = 0.0
        self.longest = 0
        self.sketch = QuantileSketch() if sketched else None
        self.values: Counter[str] | None = Counter()
        self.hashes: list[Hashes] = []
        self.limit = limit
        self._keep_hashes = keep_hashes
        self._unique_hashes = unique_hashes

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing

    def update(self, column: pa.Array, places: npt.NDArray[np.int64]) -> None:
        """Take in a cleaned batch; `places` are the 0-based rows of the file that it came from."""
        self.rows += len(column)
        if column.null_count:
            self.missing += column.null_count
            if self.first_missing is None:
                self.first_missing = int(places[int(np.argmax(np.asarray(column.is_null())))])
        if self.numeric:
            self._update_numbers(column, places)
        if not self.numeric:
            self.longest = max(self.longest, pc.max(pc.utf8_length(column)).as_py() or 0)
        if self.values is not None:
            self._count(column)
        if self._keep_hashes:
            self.hashes.append(hash_column(column.drop_null()))
        elif self._unique_hashes:
            self._merge_hashes(np.unique(hash_column(column.drop_null())))

    def _update_numbers(self, column: pa.Array, places: npt.NDArray[np.int64]) -> None:
        parsed = parse_numbers(column)
        if parsed is None:
            self.numeric = False
            place = _first_word(column)
            self.first_word = (int(places[place]), column[place].as_py())
            return
        values = numbers(parsed)
        self.not_a_number += int(np.isnan(values).sum()) - column.null_count
        infinite = np.isinf(values)
        if infinite.any():
            self.infinite += int(infinite.sum())
            if self.first_infinite is None:
                self.first_infinite = int(places[int(np.argmax(infinite))])
        finite = values[np.isfinite(values)]
        if len(finite):
            self.minimum = min(self.minimum, float(finite.min()))
            self.maximum = max(self.maximum, float(finite.max()))
            with np.errstate(over="ignore"):  # a mean beyond float64 is not reported
                self.total += float(finite.sum())
            if self.sketch is not None:
                self.sketch.update(finite)
            self.integral = self.integral and bool((finite == np.floor(finite)).all())

    def _count(self, column: pa.Array) -> None:
        if self.values is None:
            return
        counted = pc.value_counts(column.drop_null())
        if len(counted) > self.limit:
            self.values = None
            return
        values = counted.field("values")
        if pa.types.is_floating(values.type):
            values = pc.cast(values, pa.string())
        self.values.update(dict(zip(values.to_pylist(), counted.field("counts").to_pylist(), strict=True)))
        if len(self.values) > self.limit:
            self.values = None

    def _merge_hashes(self, new: Hashes) -> None:
        """Sizes grow geometrically in the list, so that merging stays linear in the rows."""
        while self.hashes and len(self.hashes[-1]) <= 2 * len(new):
            new = np.union1d(self.hashes.pop(), new)
        self.hashes.append(new)

    def distinct(self) -> int | None:
        """Distinct values, numbers by value; None past the limit."""
        if self.values is None or not self.numeric:
            return None if self.values is None else len(self.values)
        return len(np.unique(numbers(parse_numbers(pa.array(list(self.values), pa.string())))))

    def distinct_hashes(self) -> Hashes:
        """Sorted hashes of the distinct values (clusters only)."""
        return np.unique(np.concatenate(self.hashes)) if self.hashes else np.zeros(0, dtype=np.uint64)


def _first_word(column: pa.Array) -> int:
    """Place of the first cell that is no number, by halving: the cast itself does not tell."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        if parse_numbers(column.slice(low, middle - low)) is None:
            high = middle
        else:
            low = middle
    return low
