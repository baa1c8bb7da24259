"""Comma-, semicolon-, tab- and bar-separated text, streamed with every cell as a string.

No type is guessed from the first rows: an "N/A" in row 900,000 cannot break a column. Types are decided
when the whole file has been seen.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.cells import data_row
from assay.intake.column_names import MAX_COLUMNS, clean_names
from assay.intake.limits import MAX_LINE
from assay.intake.text_stream import TextStream

__all__ = ["DelimitedSource"]

_DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SAMPLE = 256 * 1024
_SAMPLE_LINES = 50
_BLOCK = MAX_LINE
"""Bytes parsed at once. The parser reads up to 32 blocks ahead, and a row may span two."""
_WIDE = 500
_WIDE_BLOCK = 4 * MAX_LINE
"""For files of more than 500 columns, where small blocks would hold a few rows only."""
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


class DelimitedSource:
    """A delimited text file (gzip or not).

    Args:
        path: the file.
        gzip: whether it is packed.
        header: column names of a file without a header row.

    Raises:
        BadInput: no rows, header of another width than the rows, unusable column names, not UTF-8.
    """

    def __init__(self, path: Path, *, gzip: bool, header: Sequence[str] | None) -> None:
        self.name = visible(path.name)
        self._path = path
        self._gzip = gzip
        self._digest = ""
        self.done = 0.0
        self._headerless = header is not None
        first, sample = self._sample()
        self._delimiter = _sniff(sample)
        found = _first_record(self.name, first, self._delimiter)
        if header is not None and len(header) != len(found):
            raise BadInput(
                f"{self.name} has {len(found):,} columns in its first row but --header gives "
                f"{len(header):,} names."
            )
        self.columns, self.notes = clean_names(self.name, header if header is not None else found)

    @property
    def digest(self) -> str:
        return self._digest

    def batches(self, columns: Sequence[str], as_text: frozenset[str]) -> Iterator[list[pa.Array]]:
        """The named columns as strings. Raises BadInput for a ragged row, an open quote and bad bytes."""
        ragged: list[BadInput] = []

        def refuse(row: pa.csv.InvalidRow) -> str:
            ragged.append(self._ragged(row))
            return "error"

        names = [f"{place}" for place in range(len(self.columns))]
        place_of = {column: place for place, column in enumerate(self.columns)}
        wanted = [names[place_of[column]] for column in columns]
        last: pa.RecordBatch | None = None
        with TextStream(self._path, gzip=self._gzip) as stream:
            try:
                reader = pa.csv.open_csv(
                    pa.PythonFile(stream, mode="r"),
                    read_options=pa.csv.ReadOptions(
                        column_names=names,
                        block_size=_BLOCK if len(names) <= _WIDE else _WIDE_BLOCK,
                        # One thread, so that an invalid row knows its number; parsing is not what takes long.
                        use_threads=False,
                        skip_rows_after_names=0 if self._headerless else 1,
                    ),
                    parse_options=pa.csv.ParseOptions(
                        delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=refuse
                    ),
                    convert_options=pa.csv.ConvertOptions(
                        column_types={name: pa.string() for name in names},
                        include_columns=wanted,
                        strings_can_be_null=False,
                        check_utf8=False,
                    ),
                )
                for batch in reader:
                    if batch.num_rows:
                        last = batch
                        self.done = stream.done
                        yield batch.columns
            except (pa.ArrowException, BadInput) as error:
                raise stream.problem or self._explain(error, ragged) from None
            self._refuse_open_quote(stream, last)
            self._digest = stream.digest

    def _sample(self) -> tuple[str, list[str]]:
        """The first record's text and the first lines, for the delimiter."""
        with TextStream(self._path, gzip=self._gzip) as stream:
            head = stream.read(_SAMPLE)
            if not head.strip():
                raise BadInput(f"{self.name} holds nothing but blank lines.")
            while b"\n" not in head and b"\r" not in head:
                head += stream.read(_SAMPLE)
        text = head.decode("utf-8", errors="ignore")
        lines = [line for line in re.split(r"\r\n|\n|\r", text[:_SAMPLE]) if line]
        complete = lines[:-1] if len(lines) > 1 and len(head) >= _SAMPLE else lines
        return text, complete[:_SAMPLE_LINES]

    def _ragged(self, row: pa.csv.InvalidRow) -> BadInput:
        number = row.number - (0 if self._headerless else 1)
        return BadInput(
            f"{self.name}, {data_row(number - 1)}: {row.actual_columns:,} values where the header has "
            f"{row.expected_columns:,} columns (separated by {_DELIMITER_NAMES[self._delimiter]})."
        )

    def _explain(self, error: Exception, ragged: list[BadInput]) -> BadInput:
        if ragged:
            return ragged[0]
        if isinstance(error, BadInput):
            return error
        if "straddling" in str(error):
            return BadInput(
                f"{self.name} has a row that goes on for more than {MAX_LINE // 2**20} MB; "
                "perhaps a quote is never closed."
            )
        return BadInput(f"{self.name} cannot be read as a table: {str(error).splitlines()[0][:200]}.")

    def _refuse_open_quote(self, stream: TextStream, last: pa.RecordBatch | None) -> None:
        """A quote that is never closed swallows all rows after it without an error from the parser."""
        if stream.quotes % 2 == 0 or last is None:
            return
        for column in last.columns:
            cell = column[-1].as_py()
            if "\n" in cell or "\r" in cell:
                raise BadInput(
                    f"{self.name} has a quote that is never closed; it swallows the last "
                    f"{cell.count(chr(10)) + 1:,} lines. It stands before: {cell[:40]!r}."
                )


def _sniff(lines: Sequence[str]) -> str:
    """The delimiter that cuts the most lines as it cuts the first one; then the one that cuts it finest."""
    best, best_score = ",", (0.0, 0)
    bare = [_QUOTED.sub("", line) for line in lines]
    for delimiter in _DELIMITERS:
        counts = [line.count(delimiter) for line in bare]
        if counts and counts[0]:
            score = (sum(count == counts[0] for count in counts) / len(counts), counts[0])
            if score > best_score:
                best, best_score = delimiter, score
    return best


def _first_record(file: str, text: str, delimiter: str) -> list[str]:
    width = text.split("\n", 1)[0].count(delimiter) + 1
    if width > 2 * MAX_COLUMNS:
        raise BadInput(f"{file} has {width:,} columns; Assay reads at most {MAX_COLUMNS:,}.")
    try:
        record = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error:
        raise BadInput(f"{file}: the first row cannot be read as column names.") from None
    return record
