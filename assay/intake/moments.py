"""Times of a log, as they are written."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assay.datasets.number_cells import parse_numbers
from assay.errors import BadInput
from assay.intake.cells import data_row, numbers

__all__ = ["moments"]


def moments(file: str, name: str, column: pa.Array, first_row: int) -> npt.NDArray[np.float64]:
    """Seconds of each time, for comparing: numbers as they are, or ISO 8601 (with a zone, or all without).

    Raises BadInput for a missing time and for one that is neither.
    """
    trimmed = pc.utf8_trim_whitespace(column)
    parsed = parse_numbers(trimmed)
    if parsed is not None:
        found = numbers(parsed)
        if np.isfinite(found).all():
            return found
        raise _unreadable(file, name, trimmed, int(np.argmax(~np.isfinite(found))), first_row)
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            when = pc.cast(trimmed, kind)
        except pa.ArrowInvalid:
            continue
        if not when.null_count:
            return np.asarray(pc.cast(when, pa.int64()), dtype=np.float64) / 1e6
    raise _unreadable(file, name, trimmed, _first_unreadable(trimmed), first_row)


def _unreadable(file: str, name: str, column: pa.Array, place: int, first_row: int) -> BadInput:
    value = column[place].as_py()
    said = "is missing" if not value else f'is "{value[:40]}"'
    return BadInput(
        f'{file} column "{name}" (time) {said} in {data_row(first_row + place)}; write seconds, or ISO 8601 '
        "such as 2025-03-01T09:30:00Z, all in one way."
    )


def _first_unreadable(column: pa.Array) -> int:
    for place, value in enumerate(column):
        one = pa.array([value.as_py()], pa.string())
        for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
            try:
                if not pc.cast(one, kind).null_count:
                    break
            except pa.ArrowInvalid:
                continue
        else:
            return place
    return 0
