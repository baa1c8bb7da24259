"""A stored column as a model's input column: numbers as they are, categories by the model's own codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import InputColumn
from assay.datasets.table import Batch, Table
from assay.datasets.values import as_number, canonical_number
from assay.errors import BadInput

__all__ = ["AS_READ", "ColumnReader", "column_reader", "unknown_values"]

AS_READ = " (as read)"
"""Suffix of the stored numbers of a sensitive column that is binned into groups for fairness."""


class ColumnReader(NamedTuple):
    """Reads one input column: `stored` in the table, `lookup` from stored codes to the model's."""

    stored: str
    column: InputColumn
    kind: str
    lookup: npt.NDArray[np.float64]

    def read(self, batch: Batch) -> npt.NDArray[np.float64]:
        """(rows,): numbers, or indices into the model's categories; NaN = missing or unknown."""
        if self.column.kind == "number" and self.kind == "number":
            return batch.numbers(self.stored)
        if self.kind == "category":
            return self.lookup[batch.codes(self.stored)]  # code -1 reaches the NaN at the end
        known = {name: float(code) for code, name in enumerate(self.column.categories)}
        if self.kind == "number":
            values, where = np.unique(batch.numbers(self.stored), return_inverse=True)
            spelt = ["" if np.isnan(value) else canonical_number(float(value)) for value in values]
            return np.array([known.get(word, np.nan) for word in spelt])[where]
        return np.array([known.get(text, np.nan) for text in batch.texts(self.stored)])


def column_reader(table: Table, column: InputColumn) -> ColumnReader:
    """How `column` is read from `table`.

    Raises BadInput: the table has no such column, or holds words where the model needs numbers.
    """
    summaries = {summary.name: summary for summary in table.profile.columns}
    stored = column.name + AS_READ if column.name + AS_READ in summaries else column.name
    if stored not in summaries:
        raise BadInput(f'{table.profile.name} has no column "{column.name}", which the model reads.')
    summary = summaries[stored]
    lookup = np.full(1, np.nan)
    if summary.kind == "category":
        if column.kind == "category":
            known = {name: float(code) for code, name in enumerate(column.categories)}
            values = [known.get(name, np.nan) for name in summary.categories]
        else:
            numbers = [as_number(name) for name in summary.categories]
            words = [n for n, number in zip(summary.categories, numbers, strict=True) if number is None]
            if words:
                raise BadInput(
                    f'{table.profile.name} column "{column.name}" holds words such as "{words[0][:40]}"; the '
                    "model reads numbers there."
                )
            values = [np.nan if number is None else number for number in numbers]
        lookup = np.array([*values, np.nan])
    elif summary.kind == "text" and column.kind == "number":
        raise BadInput(
            f'{table.profile.name} column "{column.name}" holds texts; the model reads numbers there.'
        )
    return ColumnReader(stored, column, summary.kind, lookup)


def unknown_values(table: Table, columns: Iterable[InputColumn]) -> list[str]:
    """A sentence for each category column with values that the model does not know.

    A model answers such rows all the same, as if the value were missing; readers should know that it did.
    Columns of too many different values to be listed are passed over.
    """
    said = []
    summaries = {summary.name: summary for summary in table.profile.columns}
    for column in columns:
        summary = summaries.get(column.name)
        if column.kind != "category" or summary is None or summary.kind != "category":
            continue
        counted = zip(summary.categories, summary.counts, strict=False)
        unknown = {name: n for name, n in counted if n and name not in column.categories}
        if unknown:
            rows, shown = sum(unknown.values()), list(unknown)[:3]
            more = ", …" if len(unknown) > len(shown) else ""
            listed = ", ".join(f'"{name[:40]}"' for name in shown)
            have = "row has" if rows == 1 else "rows have"
            said.append(
                f'{table.profile.name} column "{column.name}": {rows:,} {have}'
                f" a value that the model does not know ({listed}{more}); it reads a missing value there."
            )
    return said
