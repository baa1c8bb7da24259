"""A table with further columns from another file, found by id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from assay.contracts import DataRequest, DatasetRole, FileRequest, Joined
from assay.errors import BadInput
from assay.intake.cells import DEFAULT_MISSING, Cleaner
from assay.intake.images import ImageSource
from assay.intake.lookup import Lookup, Wanted
from assay.intake.roles import MOST_INFERRED
from assay.intake.source import Pixels, Source, open_source

__all__ = ["JoinedSource", "Joins", "open_joins"]

ATTRIBUTES, PREDICTIONS = "attributes", "predictions"
"""What a joined file is for."""
_MOST_UNMATCHED = 0.1
"""Share of rows without a prediction above which a log of predictions is refused as the wrong one."""


class Joins:
    """The files that are joined to the data by id, each read once."""

    def __init__(self, key: str, missing: Sequence[str], lookups: Sequence[Lookup]) -> None:
        self.key = key
        self.lookups = tuple(lookups)
        self._missing = tuple(missing)

    def to(self, source: Source, *, leads: bool) -> Source:
        """`source` with the joined columns, where it has the id; as it is where it has not.

        Predictions go to the leading file alone.
        """
        lookups = [each for each in self.lookups if leads or each.wanted.role == ATTRIBUTES]
        if self.key not in source.columns or not lookups:
            return source
        return JoinedSource(source, self.key, lookups, self._missing)


class JoinedSource:
    """A `Source` of all columns of `source` and of the lookups'.

    Raises:
        BadInput: a column that both have.
    """

    def __init__(self, source: Source, key: str, lookups: Sequence[Lookup], missing: Sequence[str]) -> None:
        self.name = source.name
        self.notes = source.notes
        self.columns = source.columns
        self._source = source
        self._key = key
        self._lookups = tuple(lookups)
        self._cleaner = Cleaner(missing)
        self._from: dict[str, int] = {}
        self.done = 0.0
        self._rows = self._first = 0
        self._unmatched: list[npt.NDArray[np.bool_]] = []
        for number, lookup in enumerate(lookups):
            for name in lookup.wanted.columns:
                if name in self.columns:
                    raise BadInput(
                        f'Both {self.name} and {lookup.source.name} have a column "{name}"; drop or rename '
                        "one of them, so that it is clear which counts."
                    )
                self._from[name] = number
                self.columns = (*self.columns, name)

    @property
    def digest(self) -> str:
        return self._source.digest

    def batches(self, columns: Sequence[str], as_text: frozenset[str]) -> Iterator[list[pa.Array]]:
        """The named columns; of the joined ones null where the id is not found."""
        asked = list(dict.fromkeys([*(name for name in columns if name not in self._from), self._key]))
        self._rows = 0
        for raw in self._source.batches(asked, as_text | {self._key}):
            by_name = dict(zip(asked, raw, strict=True))
            keys = self._cleaner.clean(by_name[self._key])
            places = [lookup.places(keys) for lookup in self._lookups]
            self._first, self._unmatched = self._rows, [each < 0 for each in places]
            self._rows += len(keys)
            self.done = self._source.done
            yield [
                by_name[name]
                if name not in self._from
                else self._lookups[self._from[name]].column(name, places[self._from[name]])
                for name in columns
            ]

    def unmatched(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """How many of these 0-based rows, which are of the batch under way, each lookup did not find."""
        return np.array([int(gone[places - self._first].sum()) for gone in self._unmatched], dtype=np.int64)

    def refuse_another_log(self, role: DatasetRole, rows: int, unmatched: npt.NDArray[np.int64]) -> None:
        """Raises BadInput where a log of predictions lacks too many of the `rows` rows that are audited."""
        for lookup, gone in zip(self._lookups, unmatched.tolist(), strict=True):
            if gone == rows:
                raise self._none_found(lookup, role, rows)
            if lookup.wanted.role == PREDICTIONS and gone > _MOST_UNMATCHED * rows:
                raise BadInput(
                    f"{lookup.source.name} has no prediction for {gone:,} of the {rows:,} {role} rows of "
                    f"{self.name} ({gone / rows:.1%}); at most {_MOST_UNMATCHED:.0%} may lack one. Give the "
                    "log of these rows."
                )

    def _none_found(self, lookup: Lookup, role: DatasetRole, rows: int) -> BadInput:
        wanted = lookup.wanted
        return BadInput(
            f'None of the {rows:,} {role} rows of {self.name} has its id ("{self._key}") in '
            f'{lookup.source.name} ("{wanted.key}"). Ids are compared exactly, as text: 7 and 007 differ, '
            f"and so do a1 and A1. Name the column of ids there with --{wanted.role}-id."
        )

    def joined(self, role: DatasetRole, rows: int, unmatched: npt.NDArray[np.int64]) -> tuple[Joined, ...]:
        """What was joined to the `rows` rows of one dataset; notes say what was not found.

        Raises:
            BadInput: the attributes of no row were found.
        """
        found = []
        for lookup, gone in zip(self._lookups, unmatched.tolist(), strict=True):
            name, wanted = lookup.source.name, lookup.wanted
            if gone == rows and role in ("test", "training") and wanted.role == ATTRIBUTES:
                raise self._none_found(lookup, role, rows)
            said = "all were found" if not gone else f"{gone:,} ({gone / rows:.2%}) were not found"
            left = f"; their {', '.join(wanted.columns)} is unknown" if gone else ""
            self.notes.append(
                f"{name}: {', '.join(wanted.columns)} joined to {rows:,} {role} rows of {self.name} by "
                f'"{self._key}"; {said}{left}.'
            )
            found.append(
                Joined(
                    name=name,
                    sha256=lookup.source.digest,
                    rows=lookup.rows,
                    columns=wanted.columns,
                    unmatched=gone,
                )
            )
        return tuple(found)


def open_joins(request: DataRequest, scratch: Path) -> tuple[DataRequest, Joins | None]:
    """Read the files that are to be joined; the request names all sensitive columns then.

    Raises:
        BadInput: images, none of the sensitive columns, too many columns; see `Lookup`.
    """
    key = request.identifier or request.cluster
    missing = DEFAULT_MISSING if request.missing is None else tuple(t.strip() for t in request.missing)
    lookups: list[Lookup] = []
    if request.attributes is not None and key is not None:
        source = _table(request.attributes, scratch)
        theirs = request.attributes_id or key
        columns = _attributes(source, theirs, request)
        lookups.append(Lookup(source, Wanted(theirs, columns, ATTRIBUTES), missing))
        request = request.model_copy(update={"sensitive": request.sensitive or columns})
    if request.predictions_file is not None and key is not None:
        source = _table(request.predictions_file, scratch)
        columns = tuple(name for name in (request.predictions, request.scores) if name is not None)
        wanted = Wanted(request.predictions_id or key, columns, PREDICTIONS, request.predictions_time)
        lookups.append(Lookup(source, wanted, missing))
    return request, Joins(key, missing, lookups) if key is not None and lookups else None


def _attributes(source: Source, key: str, request: DataRequest) -> tuple[str, ...]:
    """The columns to take: the sensitive ones, or without a word of those every one besides the id."""
    others = tuple(name for name in source.columns if name != key)
    columns = tuple(name for name in request.sensitive if name in others) if request.sensitive else others
    if not columns:
        listed = ", ".join(f'"{name}"' for name in source.columns[:12])
        raise BadInput(
            f"{source.name} (attributes) has none of the sensitive columns. Its columns: {listed}; name "
            "those that are sensitive with --sensitive."
        )
    if len(columns) > MOST_INFERRED and not request.sensitive:
        raise BadInput(
            f"{source.name} (attributes) has {len(columns):,} columns besides its id; name those that are "
            "sensitive with --sensitive."
        )
    return columns


def _table(file: FileRequest, scratch: Path) -> Source:
    source = open_source(file, Pixels(scratch / "joined.pixels", None))
    if isinstance(source, ImageSource):
        raise BadInput(f"{source.name} holds images; attributes and predictions come as a table with an id.")
    return source
