"""Times of a log, as they are written."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assay.datasets.number_cells import parse_numbers
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.cells import data_row, numbers

__all__ = ["Moments"]

_NUMBER, _LOCAL, _ZONED = "a number", "ISO 8601 without a zone", "ISO 8601 with a zone"
_ISO = ((_LOCAL, None), (_ZONED, "UTC"))


class Moments:
    """The times of one column, for comparing: all numbers, or all ISO 8601 with a zone, or all without."""

    def __init__(self, file: str, name: str) -> None:
        self._file, self._name = file, name
        self._kind: str | None = None
        self._parts: list[npt.NDArray[np.int64] | npt.NDArray[np.float64]] = []
        self._units: list[str] = []

    def append(self, column: pa.Array, first_row: int) -> None:
        """Read the times of a batch whose first row is the 0-based `first_row` of the file.

        Raises BadInput for a missing time, one that is neither, and one that is written in another way.
        """
        trimmed = pc.utf8_trim_whitespace(column)
        kind, unit, found = self._read(trimmed, first_row)
        if self._kind not in (None, kind):
            raise BadInput(
                f'{self._file} column "{self._name}" (time) is "{trimmed[0].as_py()[:40]}" in '
                f"{data_row(first_row)}, {kind}; before it is {self._kind}. Write all times in one way."
            )
        self._kind = kind
        self._parts.append(found)
        self._units.append(unit)

    def all(self) -> npt.NDArray[np.int64] | npt.NDArray[np.float64]:
        """(rows,): whole numbers exactly; nanoseconds, or microseconds where a year is beyond 2262."""
        parts = self._parts
        if "us" in self._units:
            both = zip(parts, self._units, strict=True)
            parts = [part // 1000 if unit == "ns" else part for part, unit in both]
        return np.concatenate(parts, dtype=np.result_type(*parts))

    def _read(
        self, trimmed: pa.Array, first_row: int
    ) -> tuple[str, str, npt.NDArray[np.int64] | npt.NDArray[np.float64]]:
        """Kind, unit and values."""
        parsed = parse_numbers(trimmed)
        if parsed is not None:
            found = numbers(parsed)
            if not np.isfinite(found).all():
                raise _unreadable(
                    self._file, self._name, trimmed, int(np.argmax(~np.isfinite(found))), first_row
                )
            try:
                return _NUMBER, "", np.asarray(pc.cast(trimmed, pa.int64()))
            except pa.ArrowInvalid:
                return _NUMBER, "", found
        for kind, zone in _ISO:
            for unit in ("ns", "us"):
                try:
                    when = pc.cast(trimmed, pa.timestamp(unit, zone))
                except pa.ArrowInvalid:
                    continue
                if not when.null_count:
                    return kind, unit, np.asarray(pc.cast(when, pa.int64()))
        raise _unreadable(self._file, self._name, trimmed, _first_unreadable(trimmed), first_row)


def _unreadable(file: str, name: str, column: pa.Array, place: int, first_row: int) -> BadInput:
    value = column[place].as_py()
    said = "is missing" if not value else f'is "{visible(value[:40])}"'
    return BadInput(
        f'{file} column "{name}" (time) {said} in {data_row(first_row + place)}; write seconds, or ISO 8601 '
        "such as 2025-03-01T09:30:00Z, all in one way."
    )


def _first_unreadable(column: pa.Array) -> int:
    for place, value in enumerate(column):
        one = pa.array([value.as_py()], pa.string())
        for unit, zone in (("ns", None), ("us", None), ("ns", "UTC"), ("us", "UTC")):
            try:
                if not pc.cast(one, pa.timestamp(unit, zone)).null_count:
                    break
            except pa.ArrowInvalid:
                continue
        else:
            return place
    return 0
