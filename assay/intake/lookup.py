"""A file of one row an id, kept in memory as hashes and codes, so that other files can be joined to it.

Of 10 million ids it holds 16 bytes each and 4 or 8 bytes a column, whatever their length. Ids are compared
exactly, as text without blanks around it: "7" and "007" are two, and so are "a1" and "A1".
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assay.datasets.number_cells import parse_numbers
from assay.datasets.row_hash import Hashes, hash_text
from assay.errors import BadInput
from assay.intake.cells import Cleaner, data_row, numbers
from assay.intake.column_names import missing_column
from assay.intake.moments import Moments
from assay.intake.source import Source

__all__ = ["Lookup", "Wanted"]

_MOST_VALUES = 100_000
"""Different values of a column that are kept as codes; more must be numbers."""

Places = npt.NDArray[np.int64]


class Wanted(NamedTuple):
    """What is to be read of the file.

    time: a column that says when; of an id that occurs again the latest row counts. None: it must not.
    role: what messages call the file, such as "attributes".
    """

    key: str
    columns: tuple[str, ...]
    role: str
    time: str | None = None


class Lookup:
    """Reads `source` once, whole.

    Args:
        missing: tokens that mean missing; a row without an id is refused.

    Raises:
        BadInput: a column that is not there, an id that is missing or occurs twice (or at one time twice), a
            column of more than 100,000 different values that are no numbers, a time that cannot be read.
    """

    def __init__(self, source: Source, wanted: Wanted, missing: Sequence[str]) -> None:
        for name, role in (
            (wanted.key, "id"),
            *((name, "") for name in wanted.columns),
            (wanted.time, "time"),
        ):
            if name is not None and name not in source.columns:
                raise missing_column(source.name, name, role or wanted.role, source.columns)
        self.source = source
        self.wanted = wanted
        self.rows = 0
        self._missing = tuple(missing)
        self._seeds = (secrets.randbits(64), secrets.randbits(64))
        """Drawn afresh, so that nobody can write ids that are taken for one another."""
        self._columns = {name: _Column(source.name, name, wanted.role) for name in wanted.columns}
        first: list[Hashes] = []
        second: list[Hashes] = []
        times = Moments(source.name, wanted.time or "")
        for keys, columns, when in self._read():
            a, b = self._hashed(keys)
            first.append(a)
            second.append(b)
            if when is not None:
                times.append(when, self.rows)
            for column, values in zip(self._columns.values(), columns, strict=True):
                column.append(values)
            self.rows += len(keys)
        if not self.rows:
            raise BadInput(f"{source.name} ({wanted.role}) has a header but no data rows.")
        self._arrange(np.concatenate(first), np.concatenate(second), times.all() if wanted.time else None)

    def places(self, keys: pa.Array) -> Places:
        """Where each cleaned key stands; -1 for one that the file does not have, and for a missing one."""
        first, second = self._hashed(keys)
        at = np.searchsorted(self._first, first)
        found = np.full(len(keys), -1, dtype=np.int64)
        # A second step for the one case in 10**5 (of 10 million ids) in which two share their first hash.
        for step in (1, 0):
            place = np.minimum(at + step, len(self._first) - 1)
            same = (self._first[place] == first) & (self._second[place] == second)
            found[same] = place[same]
        found[np.asarray(keys.is_null())] = -1
        return found

    def column(self, name: str, places: Places) -> pa.Array:
        """The values at `places`, as they stand in the file; null at -1."""
        return self._columns[name].take(places)

    def _read(self) -> Iterator[tuple[pa.Array, list[pa.Array], pa.Array | None]]:
        """Cleaned ids, the wanted columns as they stand, and the times."""
        wanted = self.wanted
        asked = list(dict.fromkeys([wanted.key, *wanted.columns, *([wanted.time] if wanted.time else [])]))
        cleaner = Cleaner(self._missing)
        row = 0
        for raw in self.source.batches(asked, frozenset(asked)):
            by_name = dict(zip(asked, raw, strict=True))
            keys = cleaner.clean(by_name[wanted.key])
            if keys.null_count:
                place = row + int(np.argmax(np.asarray(keys.is_null())))
                raise BadInput(
                    f'{self.source.name} column "{wanted.key}" (id) is missing in {data_row(place)}; '
                    f"each row of the {wanted.role} needs its id."
                )
            row += len(keys)
            yield (
                keys,
                [by_name[name] for name in wanted.columns],
                by_name[wanted.time] if wanted.time else None,
            )

    def _hashed(self, keys: pa.Array) -> tuple[Hashes, Hashes]:
        text = pc.cast(keys, pa.large_string())
        return hash_text(text, self._seeds[0]), hash_text(text, self._seeds[1])

    def _arrange(self, first: Hashes, second: Hashes, times: npt.NDArray[Any] | None) -> None:
        """Sort by id (and time), and keep the latest row of each."""
        order = np.argsort(first, kind="stable") if times is None else np.lexsort((times, second, first))
        first, second = first[order], second[order]
        same = (first[1:] == first[:-1]) & (second[1:] == second[:-1])
        if times is not None:
            at = times[order]
            twice = same & (at[1:] == at[:-1])
            if twice.any():
                self._refuse_double(first, second, twice)
            kept = np.append(~same, True)
            order, first, second = order[kept], first[kept], second[kept]
        elif same.any():
            self._refuse_double(first, second, same)
        self._first, self._second = first, second
        for column in self._columns.values():
            column.arrange(order)

    def _refuse_double(self, first: Hashes, second: Hashes, same: npt.NDArray[np.bool_]) -> None:
        """Name the first id that occurs twice, from the file itself."""
        doubled = set(zip(first[1:][same].tolist(), second[1:][same].tolist(), strict=True))
        found = np.fromiter((pair[0] for pair in doubled), dtype=np.uint64, count=len(doubled))
        seen: dict[tuple[str, str | None], int] = {}
        row = 0
        at_one_time = " at one time" if self.wanted.time is not None else ""
        where = f'{self.source.name} column "{self.wanted.key}" (id) has {len(doubled):,} repeated value(s)'
        for keys, _, when in self._read():
            hashes, _ = self._hashed(keys)
            for place in np.flatnonzero(np.isin(hashes, found)).tolist():
                value = keys[place].as_py()
                pair = value, None if when is None else when[place].as_py()
                if pair in seen:
                    raise BadInput(
                        f'{where}{at_one_time}; the first, "{value[:40]}", stands in data rows '
                        f"{seen[pair] + 1:,} and {row + place + 1:,}. Each id needs one row of "
                        f"{self.wanted.role}."
                    )
                seen[pair] = row + place
            row += len(keys)
        raise BadInput(f"{where}{at_one_time}. Each id needs one row of {self.wanted.role}.")


class _Column:
    """Values as codes into the different ones; as float64 once there are too many, if all are numbers."""

    def __init__(self, file: str, name: str, role: str) -> None:
        self._file, self._name, self._role = file, name, role
        self._codes: dict[str | None, int] = {None: 0}
        self._parts: list[npt.NDArray[np.int32]] = []
        self._numbers: list[npt.NDArray[np.float64]] | None = None
        self._values: pa.Array | None = None
        self._kept: npt.NDArray[np.int32] | npt.NDArray[np.float64] = np.zeros(0, dtype=np.int32)

    def append(self, column: pa.Array) -> None:
        if self._numbers is not None:
            self._numbers.append(self._parsed(column))
            return
        words = pc.dictionary_encode(column)
        codes = np.array(
            [self._codes.setdefault(word, len(self._codes)) for word in words.dictionary.to_pylist()] + [0],
            dtype=np.int32,
        )
        places = np.asarray(pc.fill_null(words.indices, len(codes) - 1))
        self._parts.append(codes[places])
        if len(self._codes) > _MOST_VALUES:
            table = self._parsed(pa.array(list(self._codes), pa.string()))
            self._numbers = [table[part] for part in self._parts]
            self._parts, self._codes = [], {None: 0}

    def arrange(self, order: Places) -> None:
        """End the reading: values in the given order of rows."""
        if self._numbers is not None:
            self._kept = np.concatenate(self._numbers)[order]
            self._numbers = []
            return
        self._kept = np.concatenate(self._parts)[order]
        self._values, self._parts = pa.array(list(self._codes), pa.string()), []

    def take(self, places: Places) -> pa.Array:
        inside = np.maximum(places, 0)
        if self._values is None:
            values = np.where(places < 0, np.nan, self._kept[inside])
            return pa.array(values, from_pandas=True)
        return self._values.take(pa.array(np.where(places < 0, 0, self._kept[inside]).astype(np.int32)))

    def _parsed(self, column: pa.Array) -> npt.NDArray[np.float64]:
        cleaned = Cleaner(("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?")).clean(column)
        parsed = parse_numbers(cleaned)
        if parsed is None:
            raise BadInput(
                f'{self._file} column "{self._name}" ({self._role}) has more than {_MOST_VALUES:,} different '
                "values that are no numbers; name another column, or group its values."
            )
        return numbers(parsed)
