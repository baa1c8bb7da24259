"""A stored column as a model's input column: numbers as they are, categories by the model's own codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import ColumnSummary, InputColumn
from assay.datasets.table import Batch, Table
from assay.datasets.values import as_number, canonical_number, canonical_value, same_values, visible
from assay.errors import BadInput

__all__ = ["AS_READ", "ColumnReader", "column_reader", "unknown_values"]

AS_READ = " (as read)"
"""Suffix of the stored numbers of a sensitive column that is binned into groups for fairness."""
_SHOWN = 3
"""Values that a sentence lists."""


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
        codes = _codes(self.column)
        if self.kind == "number":
            # How a number was spelt is lost: a word counts only where no other word is the same number.
            values, where = np.unique(batch.numbers(self.stored), return_inverse=True)
            spelt = ["" if np.isnan(value) else canonical_number(float(value)) for value in values]
            return np.array([codes.same.get(word, np.nan) for word in spelt])[where]
        return np.array([codes.of(text) for text in batch.texts(self.stored)])


class _Codes(NamedTuple):
    """Codes of a model's categories: by their exact spelling, and by value where one alone has it."""

    exact: dict[str, float]
    same: dict[str, float]

    def of(self, value: str) -> float:
        """NaN for a value that is none of them."""
        return self.exact.get(value, self.same.get(canonical_value(value), np.nan))


def _codes(column: InputColumn) -> _Codes:
    exact = {name: float(code) for code, name in enumerate(column.categories)}
    return _Codes(exact, {same: exact[name] for same, name in same_values(column.categories).items()})


def column_reader(table: Table, column: InputColumn) -> ColumnReader:
    """How `column` is read from `table`.

    Raises BadInput: the table has no such column, or holds words where the model needs numbers.
    """
    summaries = {summary.name: summary for summary in table.profile.columns}
    grouped, stored = summaries.get(column.name), column.name + AS_READ
    if stored not in summaries or (grouped and set(grouped.categories) & set(column.categories)):
        stored = column.name  # a model may also read the groups themselves
    if stored not in summaries:
        raise BadInput(f'{table.profile.name} has no column "{column.name}", which the model reads.')
    summary = summaries[stored]
    lookup = np.full(1, np.nan)
    if summary.kind == "category":
        if column.kind == "category":
            codes = _codes(column)
            values = [codes.of(name) for name in summary.categories]
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

    Raises BadInput: the model knows no value at all of a column of test or training rows.
    """
    said = []
    for column in columns:
        if column.kind != "category":
            continue
        reader = column_reader(table, column)
        summary = table.profile.column(reader.stored)
        present = summary.rows - summary.missing
        rows, shown = _listed(reader, summary) if reader.kind == "category" else _scanned(reader, table)
        if not rows:
            continue
        first = [f'"{visible(name[:40])}"' for name in shown[:_SHOWN]]
        if rows == present and table.profile.role in ("test", "training"):
            words = ", ".join(f'"{visible(name[:40])}"' for name in column.categories[:_SHOWN])
            words += ", …" if len(column.categories) > _SHOWN else ""
            raise BadInput(
                f'{table.profile.name} column "{column.name}": the model knows none of its values, such as '
                f"{first[0]}; its words there are {words}. Spell them as the model was trained on them."
            )
        more = ", …" if len(shown) > _SHOWN else ""
        have = "row has" if rows == 1 else "rows have"
        said.append(
            f'{table.profile.name} column "{column.name}": {rows:,} {have}'
            f" a value that the model does not know ({', '.join(first)}{more}); it reads a missing value "
            "there."
        )
    return said


def _listed(reader: ColumnReader, summary: ColumnSummary) -> tuple[int, list[str]]:
    """Of a category column: how many rows the model does not know, and their values."""
    counted = zip(summary.categories, summary.counts, reader.lookup, strict=False)
    unknown = {name: rows for name, rows, code in counted if rows and np.isnan(code)}
    return sum(unknown.values()), list(unknown)


def _scanned(reader: ColumnReader, table: Table) -> tuple[int, list[str]]:
    """The same of numbers and texts, whose values nobody counted; one value more than is shown will do."""
    rows, shown = 0, dict[str, None]()
    for batch in table.batches([reader.stored]):
        if reader.kind == "text":
            texts = batch.texts(reader.stored)
            unknown = np.isnan(reader.read(batch)) & np.array([bool(text) for text in texts])
            values = [texts[place] for place in np.flatnonzero(unknown)]
        else:
            numbers = batch.numbers(reader.stored)
            unknown = np.isnan(reader.read(batch)) & ~np.isnan(numbers)
            values = [canonical_number(float(number)) for number in np.unique(numbers[unknown])]
        rows += int(unknown.sum())
        if len(shown) <= _SHOWN:
            shown.update(dict.fromkeys(values))
    return rows, list(shown)
