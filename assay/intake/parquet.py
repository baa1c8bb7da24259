"""Parquet, streamed by row group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import file_digest
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assay.datasets.values import EXACT, visible
from assay.errors import BadInput
from assay.intake.column_names import clean_names
from assay.intake.limits import MAX_LINE

__all__ = ["ParquetSource", "plain_column"]

MAX_ROWS = 10**9
_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError)
"""What the Parquet reader raises on damaged files, undecodable names included."""
_BATCH = 65_536
_BUFFER = 2**20
"""Bytes of a column chunk that are read at once, so that a file of one huge row group is streamed too."""


class ParquetSource:
    """A Parquet file of flat columns.

    Raises:
        BadInput: a damaged file, unusable column names, nested or binary columns; of a batch, a long text.
    """

    def __init__(self, path: Path) -> None:
        self.name = visible(path.name)
        self._path = path
        try:
            with pq.ParquetFile(path) as file:
                schema, rows = file.schema_arrow, file.metadata.num_rows
        except _UNREADABLE:
            raise self._damaged() from None
        if not len(schema):
            raise BadInput(f"{self.name} has no columns.")
        if rows > MAX_ROWS:
            # A few bytes of run-length encoding can claim any number of rows.
            raise BadInput(f"{self.name} claims {rows:,} rows; Assay reads at most {MAX_ROWS:,}.")
        self.columns, self.notes = clean_names(self.name, schema.names)
        for name, field in zip(self.columns, schema, strict=True):
            if not _readable(field.type):
                raise BadInput(
                    f'{self.name} column "{name}" holds {field.type} values; Assay reads numbers, strings, '
                    "booleans and dates. Drop or flatten the column."
                )
        self._digest = ""
        self.done = 0.0

    @property
    def digest(self) -> str:
        return self._digest

    def batches(self, columns: Sequence[str], as_text: frozenset[str]) -> Iterator[list[pa.Array]]:
        """The named columns: float64 for numbers unless in `as_text`, strings for all others."""
        place_of = {column: place for place, column in enumerate(self.columns)}
        places = [place_of[column] for column in columns]
        wanted = sorted(places)
        index_of = {place: index for index, place in enumerate(wanted)}
        try:
            with pq.ParquetFile(self._path, buffer_size=_BUFFER) as file:
                names = [file.schema_arrow.names[place] for place in wanted]
                total, read = max(file.metadata.num_rows, 1), 0
                for batch in _by_row_group(file, names):
                    read += batch.num_rows
                    self.done = min(1.0, read / total)
                    if batch.num_rows:
                        self._hold_to_lengths(batch, wanted)
                        yield [
                            plain_column(batch.column(index_of[place]), as_text=column in as_text)
                            for column, place in zip(columns, places, strict=True)
                        ]
            with self._path.open("rb") as raw:
                self._digest = file_digest(raw, "sha256").hexdigest()
        except _UNREADABLE:
            raise self._damaged() from None

    def _hold_to_lengths(self, batch: pa.RecordBatch, places: Sequence[int]) -> None:
        for column, place in zip(batch.columns, places, strict=True):
            if (longest := _longest(column)) > MAX_LINE:
                raise BadInput(
                    f'{self.name} column "{self.columns[place]}" holds a text of {longest:,} bytes; '
                    f"it may have {MAX_LINE:,}. Shorten it or leave the column out."
                )

    def _damaged(self) -> BadInput:
        return BadInput(f"{self.name} starts like Parquet but cannot be read as such; it may be damaged.")


def _by_row_group(file: pq.ParquetFile, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Row group by row group: one reader over all of them keeps what it decoded, 12 bytes a row."""
    for group in range(file.num_row_groups):
        yield from file.iter_batches(batch_size=_BATCH, row_groups=[group], columns=names)


def _readable(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _readable(kind.value_type)
    return bool(
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_temporal(kind)
        or pa.types.is_null(kind)
    )


def _longest(column: pa.Array) -> int:
    """Bytes of the longest text of a column; 0 where it holds none."""
    if pa.types.is_dictionary(column.type):
        return _longest(column.dictionary)
    if pa.types.is_string_view(column.type):
        column = pc.cast(column, pa.large_string())
    if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        return 0
    return int(pc.max(pc.binary_length(column)).as_py() or 0)


def plain_column(column: pa.Array, *, as_text: bool) -> pa.Array:
    """Strings or float64, whatever the column's type."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return plain_column(column.dictionary_decode(), as_text=as_text)
    if pa.types.is_floating(kind):
        numbers = pc.cast(column, pa.float64())
        return _shortest(numbers) if as_text else numbers
    if pa.types.is_integer(kind):
        return pc.cast(column, pa.string()) if as_text else pc.cast(column, pa.float64(), safe=False)
    if pa.types.is_decimal(kind):
        return _exact(column) if as_text else pc.cast(column, pa.float64())
    text = pc.cast(column, pa.string())
    text.validate(full=True)
    return text


def _shortest(numbers: pa.Array) -> pa.Array:
    """Text of numbers, whole ones without point or exponent; NaN is a missing value, not the word."""
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    whole = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), EXACT))
    digits = pc.cast(pc.if_else(whole, numbers, 0.0), pa.int64())
    return pc.if_else(whole, pc.cast(digits, pa.string()), pc.cast(numbers, pa.string()))


def _exact(numbers: pa.Array) -> pa.Array:
    """Text of decimals, every digit, without an exponent and without zeros at the end of a fraction."""
    text = pc.cast(numbers, pa.string())
    if pc.any(pc.match_substring(text, "E")).as_py():
        spelt = [None if value is None else f"{value:f}" for value in numbers.to_pylist()]
        text = pa.array(spelt, pa.string())
    return pc.replace_substring_regex(text, r"\.?0+$", "") if numbers.type.scale > 0 else text
