"""The stream of cleaned rows that both passes read: split by dataset role, incomplete rows set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assay.contracts import DatasetRole
from assay.datasets.row_hash import Hashes, hash_column
from assay.errors import BadInput
from assay.intake.cells import NAN_WORDS, Cleaner, data_row
from assay.intake.roles import dataset_role
from assay.intake.source import Source

__all__ = ["RowReader", "RowSet"]


class RowSet(NamedTuple):
    """Some rows of one dataset: `columns` in the reader's order, `places` their 0-based rows in the file."""

    role: DatasetRole
    columns: list[pa.Array]
    places: npt.NDArray[np.int64]


class RowReader:
    """Reads one file in batches and tells which dataset each row belongs to.

    Args:
        source: the file.
        columns: what to read, in order.
        role: the dataset of every row, unless `split` names a column that says so row by row.
        split: the roles column.
        sealed: datasets whose rows are passed over unread, all but their value in the roles column.
        as_text: columns whose values are kept as spelt.
        nan_is_missing: columns where a spelt-out NaN is missing whatever the tokens say (scores).
        watch: columns whose missing tokens are counted.
        missing: tokens that mean missing.
        required: columns without which a row of the dataset `role` is set aside; empty sets none aside.
        tick: called with the share of the file that is read.
        aside: called with the places of rows that are set aside, while their batch is under way.
    """

    def __init__(
        self,
        source: Source,
        columns: Sequence[str],
        *,
        role: DatasetRole,
        split: str | None,
        sealed: frozenset[DatasetRole],
        as_text: frozenset[str],
        nan_is_missing: frozenset[str],
        watch: frozenset[str],
        missing: Sequence[str],
        required: Sequence[str],
        tick: Callable[[float], None],
        aside: Callable[[npt.NDArray[np.int64]], None] = lambda _places: None,
    ) -> None:
        self.source = source
        self.columns = tuple(columns)
        self.as_text = as_text
        self._role: DatasetRole = role
        self._split = None if split is None else self.columns.index(split)
        self._split_cleaner = Cleaner(missing)
        self._sealed = sealed
        self.cleaners = {
            column: Cleaner(
                (*missing, *NAN_WORDS) if column in nan_is_missing else missing, watch=column in watch
            )
            for column in self.columns
        }
        self._required = [self.columns.index(column) for column in required]
        self._tick, self._aside = tick, aside
        self.set_aside = 0
        self.sealed_rows = 0

    def __iter__(self) -> Iterator[RowSet]:
        self.set_aside = self.sealed_rows = 0
        first = 0
        for raw in self.source.batches(self.columns, self.as_text):
            places = np.arange(first, first + len(raw[0]), dtype=np.int64)
            first += len(places)
            for rows in self._by_role(raw, places):
                if rows.role in self._sealed:
                    self.sealed_rows += len(rows.places)
                    continue
                cleaned = [
                    cleaner.clean(column)
                    for cleaner, column in zip(self.cleaners.values(), rows.columns, strict=True)
                ]
                rows = RowSet(rows.role, cleaned, rows.places)
                kept = self._complete(rows) if rows.role == self._role else rows
                if len(kept.places):
                    yield kept
            self._tick(self.source.done)

    def listen(self, tick: Callable[[float], None]) -> None:
        """Report the next pass to `tick`."""
        self._tick = tick

    def find_double(self, column: str, doubled: Hashes) -> tuple[str | None, list[int]]:
        """The first value of `column` that occurs twice, and its first two 0-based rows.

        Args:
            column: a column of text.
            doubled: sorted hashes that occur more than once; only their values are compared.

        Returns (None, []) when equal hashes stood for different values.
        """
        seen: dict[str, int] = {}
        for rows in self:
            cells = rows.columns[self.columns.index(column)]
            hashes = hash_column(cells)
            at = np.minimum(np.searchsorted(doubled, hashes), len(doubled) - 1)
            member = (doubled[at] == hashes) & np.asarray(cells.is_valid())
            for place in np.flatnonzero(member):
                value = cells[int(place)].as_py()
                if value in seen:
                    return value, [seen[value], int(rows.places[place])]
                seen[value] = int(rows.places[place])
        return None, []

    def _by_role(self, columns: list[pa.Array], places: npt.NDArray[np.int64]) -> Iterator[RowSet]:
        """The raw rows of each dataset; of the others only the roles column has been looked at."""
        if self._split is None:
            yield RowSet(self._role, columns, places)
            return
        said = self._split_cleaner.clean(columns[self._split])
        words = pc.dictionary_encode(said, null_encoding="encode")
        indices = np.asarray(words.indices, dtype=np.int64)
        roles = [
            self._role_of(word, int(places[np.argmax(indices == code)]))
            for code, word in enumerate(words.dictionary.to_pylist())
        ]
        for role in dict.fromkeys(roles):
            member = np.isin(indices, [code for code, other in enumerate(roles) if other == role])
            yield _take(RowSet(role, columns, places), member)

    def _role_of(self, word: str | None, place: int) -> DatasetRole:
        role = None if word is None else dataset_role(word)
        if role is None:
            said = "no value" if word is None else f'"{word[:40]}"'
            column = self.columns[self._split or 0]
            raise BadInput(
                f'{self.source.name} column "{column}" (roles) has {said} in {data_row(place)}; '
                "each row needs train, tuning (or validation) or test."
            )
        return role

    def _complete(self, rows: RowSet) -> RowSet:
        keep = np.ones(len(rows.places), dtype=bool)
        for place in self._required:
            if rows.columns[place].null_count:
                keep &= np.asarray(rows.columns[place].is_valid())
        if keep.all():
            return rows
        self.set_aside += int((~keep).sum())
        self._aside(rows.places[~keep])
        return _take(rows, keep)


def _take(rows: RowSet, member: npt.NDArray[np.bool_]) -> RowSet:
    if member.all():
        return rows
    mask = pa.array(member)
    return RowSet(rows.role, [column.filter(mask) for column in rows.columns], rows.places[member])
