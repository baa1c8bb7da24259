"""JSON Lines: one flat object a line, streamed.

Keys are collected over the whole file before a column is read, since a key may first occur in row 900,000; a
row without a key has a missing value there. A column is one of numbers when every value is; otherwise its
values are text, as they would stand in a CSV file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.column_names import MAX_COLUMNS, clean_names
from assay.intake.text_stream import TextStream

__all__ = ["JsonLinesSource"]

_BLOCK = 2**20
"""Bytes parsed at once; a line may be twice as long."""
_CELLS = 2_000_000
"""Cells made at once: objects of few keys in a file of many are cut into more batches."""
_SPARSE = 100
_SPARSE_FROM = 100_000_000
"""Cells from which a file must fill at least one in a hundred: `{}` takes three bytes and a row of cells."""

Row = dict[str, Any]


class JsonLinesSource:
    """A file of JSON objects, one a line (gzip or not).

    Raises:
        BadInput: a line that is no flat object, the same key twice, NaN and other words that are no JSON,
            unusable or too many keys, keys that differ in case alone, no rows, not UTF-8.
    """

    def __init__(self, path: Path, *, gzip: bool) -> None:
        self.name = visible(path.name)
        self._path = path
        self._gzip = gzip
        self._digest = ""
        self.done = 0.0
        kinds: dict[str, set[type]] = {}
        rows = filled = 0
        for parsed in self._rows():
            rows += len(parsed)
            filled += sum(map(len, parsed))
            for key in dict.fromkeys(key for row in parsed for key in row):
                kinds.setdefault(key, set()).update(type(row.get(key)) for row in parsed)
            if len(kinds) > MAX_COLUMNS:
                raise BadInput(f"{self.name} has more than {MAX_COLUMNS:,} different keys; it is no table.")
        self._refuse_no_table(kinds, rows, filled)
        self._keys = tuple(kinds)
        self.columns, self.notes = clean_names(self.name, self._keys)
        self._numbers = frozenset(
            name
            for name, key in zip(self.columns, self._keys, strict=True)
            if kinds[key] <= {int, float, type(None)} and kinds[key] != {type(None)}
        )

    @property
    def digest(self) -> str:
        return self._digest

    def batches(self, columns: Sequence[str], as_text: frozenset[str]) -> Iterator[list[pa.Array]]:
        """The named columns: float64 where every value of the file is a number, unless in `as_text`."""
        key_of = dict(zip(self.columns, self._keys, strict=True))
        most = max(1, _CELLS // max(len(columns), 1))
        for rows in self._rows():
            for first in range(0, len(rows), most):
                some = rows[first : first + most]
                yield [
                    self._column(name, [row.get(key_of[name]) for row in some], as_text=name in as_text)
                    for name in columns
                ]

    def _column(self, name: str, values: list[Any], *, as_text: bool) -> pa.Array:
        try:
            if name in self._numbers and not as_text:
                return pa.array([None if value is None else float(value) for value in values], pa.float64())
            try:
                return pa.array(values, pa.string())
            except pa.ArrowTypeError:
                return pa.array(list(map(_spelt, values)), pa.string())
        except (UnicodeEncodeError, OverflowError) as error:
            what = "half a character" if isinstance(error, UnicodeEncodeError) else "a number too large"
            raise BadInput(f'{self.name} key "{name}" holds {what}, which nothing can read.') from None

    def _rows(self) -> Iterator[list[Row]]:
        """The objects of the file, some at a time."""
        line = 1
        rest = b""
        with TextStream(self._path, gzip=self._gzip) as stream:
            while block := stream.read(_BLOCK):
                lines = (rest + block).split(b"\n")
                rest = lines.pop()
                if lines:
                    yield self._parsed(lines, line)
                    line += len(lines)
                self.done = stream.done
            if rest.strip():
                yield self._parsed([rest], line)
            self.done = 1.0
            self._digest = stream.digest

    def _parsed(self, lines: list[bytes], first: int) -> list[Row]:
        """The object of each line that is not blank.

        All lines are read as one array. With every line from { to } and no value that is an object or
        array itself, as many values as lines can only be one object a line: text never goes on in a new line.
        """
        full = [line.strip() for line in lines]
        told = [line for line in full if line]
        try:
            if not all(line.startswith(b"{") and line.endswith(b"}") for line in told):
                raise ValueError("no object")
            found = json.loads(
                (b"[" + b"\n,".join(told) + b"]").decode("utf-8", "strict"),
                object_pairs_hook=tuple,
                parse_constant=_refuse_constant,
            )
            rows = [dict(pairs) for pairs in found]
            if len(rows) != len(told) or any(map(_odd, found, rows)):
                raise ValueError("no flat objects")
        except (ValueError, TypeError, RecursionError):
            for number, line in enumerate(full, start=first):
                if line:
                    self._refuse_line(line, number)
            raise BadInput(f"{self.name}: from line {first:,} on it is not one JSON object a line.") from None
        return rows

    def _refuse_line(self, line: bytes, number: int) -> None:
        """Raises BadInput, naming the line and what is wrong with it, if anything is."""
        where = f"{self.name}, line {number:,}"
        try:
            found = json.loads(line.decode("utf-8"), object_pairs_hook=tuple, parse_constant=_refuse_constant)
        except RecursionError:
            raise self._nested(where) from None
        except ValueError as error:
            said = visible(str(error))[:120]
            raise BadInput(f"{where} cannot be read as JSON: {said}. Write one object a line.") from None
        if not line.startswith(b"{") or not isinstance(found, tuple):
            raise BadInput(f'{where} is no JSON object; write one object a line, such as {{"age": 41}}.')
        row = dict(found)
        if len(row) != len(found):
            keys = [key for key, _ in found]
            double = next(key for key in row if keys.count(key) > 1)
            raise BadInput(f'{where} has the key "{visible(double[:40])}" twice; write it once.')
        for key, value in found:
            if isinstance(value, (tuple, list)):
                raise self._nested(f'{where}, key "{visible(key[:40])}"')

    def _nested(self, where: str) -> BadInput:
        return BadInput(
            f"{where}: objects and arrays inside an object are not read. Flatten them, for instance with "
            "pandas.json_normalize, or leave them out."
        )

    def _refuse_no_table(self, kinds: dict[str, set[type]], rows: int, filled: int) -> None:
        if not kinds:
            raise BadInput(f"{self.name} holds no object with a key.")
        folded: dict[str, str] = {}
        for key in kinds:
            other = folded.setdefault(key.strip().casefold(), key)
            if other.strip() != key.strip():
                raise BadInput(
                    f'{self.name} has the keys "{visible(other[:40])}" and "{visible(key[:40])}", which '
                    "differ in upper and lower case alone; write them in one way."
                )
        cells = rows * len(kinds)
        if cells > _SPARSE_FROM and cells > _SPARSE * max(filled, 1):
            raise BadInput(
                f"{self.name} has {len(kinds):,} keys, but its {rows:,} rows have {filled / rows:.1f} of "
                "them on average; a table fills at least one cell in a hundred."
            )


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON; leave the key out, or write null")


def _odd(pairs: tuple[Any, ...], row: Row) -> bool:
    """A key that occurs twice, or a value that is an object or array."""
    return len(row) != len(pairs) or any(type(value) in _NESTED for value in row.values())


_NESTED = frozenset({tuple, list})


def _spelt(value: Any) -> str | None:
    """A value as it would stand in a CSV file."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
