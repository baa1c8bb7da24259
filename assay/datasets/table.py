"""A dataset of rows and columns: typed, memory-mapped, read in batches.

Intake writes one Arrow IPC file per dataset into the child's scratch folder; here it is read. Columns of
kind `number` are float64 (NaN = missing), of kind `category` int32 codes (-1 = missing), of kind `text`
strings. Nothing is loaded before a batch asks for it, so memory does not grow with the rows.
pyarrow is loaded with the first batch: pages that only list methods do without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from assay.contracts import ColumnSummary, DatasetProfile, Profile
from assay.datasets.row_hash import Hashes, combine_hashes, hash_column, hash_numbers, hash_strings
from assay.errors import Internal

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BATCH_ROWS", "Batch", "Table", "predicted", "prediction_columns"]

BATCH_ROWS = 65_536

Codes = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.float64]


class Table:
    """One dataset on disk.

    Args:
        profile: what intake learnt; its columns are the file's columns.
        path: the Arrow IPC file.
        starts: first row of each record batch of the file, ascending from 0.
        value_hashes: column -> hash of the value behind each code, for category columns whose values the
            profile does not list (a cluster column of very many values).
    """

    def __init__(
        self,
        profile: DatasetProfile,
        path: Path,
        starts: Sequence[int],
        value_hashes: Mapping[str, Hashes] | None = None,
    ) -> None:
        self.profile = profile
        self._path = path
        self._starts = np.asarray(starts, dtype=np.int64)
        self._summaries = {column.name: column for column in profile.columns}
        self._fields = {column.name: place for place, column in enumerate(profile.columns)}
        self._value_hashes: dict[str, Hashes] = dict(value_hashes or {})

    @property
    def rows(self) -> int:
        return self.profile.rows

    def batches(
        self,
        columns: Sequence[str],
        start: int = 0,
        stop: int | None = None,
        batch_rows: int = BATCH_ROWS,
    ) -> Iterator[Batch]:
        """Rows [start, stop) in order, `batch_rows` at a time (the last batch may be shorter).

        Only `columns` are read. Raises Internal for a column that the dataset does not have.
        """
        import pyarrow as pa

        names = list(dict.fromkeys(columns))
        for name in names:
            if name not in self._fields:
                raise Internal(f'The {self.profile.role} dataset has no column "{name}".')
        stop = self.rows if stop is None else min(stop, self.rows)
        if start >= stop:
            return
        fields = sorted(self._fields[name] for name in names)
        order = [self.profile.columns[field].name for field in fields]
        with pa.memory_map(str(self._path)) as source:
            options = pa.ipc.IpcReadOptions(included_fields=fields) if fields else None
            reader = pa.ipc.open_file(source, options=options)
            for first in range(start, stop, batch_rows):
                last = min(first + batch_rows, stop)
                pieces = self._pieces(reader, first, last) if fields else []
                arrays = {
                    name: pa.chunked_array([piece.column(place) for piece in pieces])
                    for place, name in enumerate(order)
                }
                yield Batch(self, first, last - first, arrays)

    def _pieces(self, reader: pa.RecordBatchFileReader, first: int, last: int) -> list[pa.RecordBatch]:
        pieces = []
        index = int(np.searchsorted(self._starts, first, side="right")) - 1
        while first < last:
            batch = reader.get_batch(index)
            offset = first - int(self._starts[index])
            piece = batch.slice(offset, last - first)
            if piece.num_rows:
                pieces.append(piece)
            first += piece.num_rows
            index += 1
        return pieces

    def with_columns(self, path: Path, columns: Sequence[tuple[ColumnSummary, pa.Array]]) -> Table:
        """This dataset with further columns, each (rows,), written to `path` batch by batch."""
        import pyarrow as pa

        profile = self.profile.model_copy(
            update={"columns": (*self.profile.columns, *(summary for summary, _ in columns))}
        )
        with pa.memory_map(str(self._path)) as source:
            reader = pa.ipc.open_file(source)
            schema = reader.schema
            for place, (_, values) in enumerate(columns, len(self.profile.columns)):
                schema = schema.append(pa.field(f"{place}", values.type))
            with pa.ipc.new_file(str(path), schema) as file:
                for index, start in enumerate(self._starts):
                    batch = reader.get_batch(index)
                    more = [values.slice(int(start), batch.num_rows) for _, values in columns]
                    file.write_batch(pa.record_batch([*batch.columns, *more], schema=schema))
        return Table(profile, path, self._starts.tolist(), self._value_hashes)

    def kind(self, name: str) -> str:
        """`number`, `category` or `text`."""
        return self._summaries[name].kind

    def categories(self, name: str) -> tuple[str, ...]:
        """Values of a category column, in code order."""
        return self._summaries[name].categories

    def value_hashes(self, name: str) -> Hashes:
        """Hash of the value behind each code of a category column."""
        if name not in self._value_hashes:
            self._value_hashes[name] = hash_strings(self._summaries[name].categories)
        return self._value_hashes[name]


class Batch:
    """Rows [start, start + rows) of one table, with the columns that were asked for."""

    def __init__(self, table: Table, start: int, rows: int, columns: Mapping[str, pa.ChunkedArray]) -> None:
        self.start = start
        self.rows = rows
        self._table = table
        self._columns = columns

    def codes(self, name: str) -> Codes:
        """Codes (rows,) of a category column: index into its categories, -1 = missing."""
        self._expect(name, "category")
        return np.asarray(self._columns[name].to_numpy(), dtype=np.int32)

    def numbers(self, name: str) -> Numbers:
        """Values (rows,) of a number column, NaN = missing."""
        self._expect(name, "number")
        return np.asarray(self._columns[name].to_numpy(), dtype=np.float64)

    def texts(self, name: str) -> list[str]:
        """Values (rows,) of a text or category column, "" = missing."""
        if self._table.kind(name) == "category":
            words = [*self._table.categories(name), ""]
            return [words[code] for code in self.codes(name)]
        self._expect(name, "text")
        return ["" if value is None else value for value in self._columns[name].to_pylist()]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that were asked for."""
        return tuple(self._columns)

    def row_hashes(self, columns: Sequence[str]) -> Hashes:
        """64-bit content hash (rows,) of the values in `columns`, in that order.

        Equal values give equal hashes in every dataset and file format, whatever the column's kind:
        1, "1" and 1.0 agree, and so do all missing values.
        """
        return combine_hashes([self._hashes(name) for name in columns])

    def _hashes(self, name: str) -> Hashes:
        kind = self._table.kind(name)
        if kind == "number":
            return hash_numbers(self.numbers(name))
        if kind == "category":
            table = np.append(self._table.value_hashes(name), hash_strings([None]))
            return table[self.codes(name)]  # code -1 reaches the appended hash of the missing value
        return np.concatenate([hash_column(chunk) for chunk in self._columns[name].chunks])

    def _expect(self, name: str, kind: str) -> None:
        if name not in self._columns:
            raise Internal(f'Column "{name}" was not asked for.')
        if self._table.kind(name) != kind:
            raise Internal(f'Column "{name}" is of kind {self._table.kind(name)}, not {kind}.')


def prediction_columns(profile: Profile) -> tuple[str, ...]:
    """The columns that `predicted` needs: the prediction column, or the score column without one."""
    if profile.roles.prediction is not None:
        return (profile.roles.prediction,)
    return () if profile.roles.score is None else (profile.roles.score,)


def predicted(batch: Batch, profile: Profile) -> Codes:
    """Predicted class codes (rows,), indices into `profile.signature.classes`.

    The prediction column as it is; where only scores were given, (score >= signature.threshold) as 0 / 1.
    Raises Internal when the profile has neither.
    """
    if profile.roles.prediction is not None:
        return batch.codes(profile.roles.prediction)
    if profile.roles.score is None or profile.signature.threshold is None:
        raise Internal("The subject has neither predictions nor scores with a threshold.")
    return (batch.numbers(profile.roles.score) >= profile.signature.threshold).astype(np.int32)
