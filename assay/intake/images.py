"""Image data as a table: a label, attributes, and for each row the place of its picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from assay.errors import BadInput
from assay.intake.column_names import IMAGE, PICTURE, clean_names
from assay.intake.parquet import plain_column

__all__ = ["ImageSource"]

_BATCH = 65_536


class ImageSource:
    """A `Source` over pictures that were read already.

    Args:
        name: of the file or folder.
        columns: label and attributes, each with one value a picture.
        pixels: (rows, channels, height, width), memory-mapped.
        digests: of each picture.
        digest: SHA-256 of what was read.
        watched: the files behind it; when one changes, the second pass says so.
    """

    def __init__(
        self,
        name: str,
        columns: Mapping[str, pa.Array],
        pixels: npt.NDArray[Any],
        digests: Sequence[str],
        digest: str,
        notes: Sequence[str],
        watched: Sequence[Path],
    ) -> None:
        for taken in (IMAGE, PICTURE):
            if taken in columns:
                raise BadInput(f'{name}: "{taken}" is what Assay calls its own column; rename that array.')
        names, more = clean_names(name, tuple(columns))
        self.name = name
        self.pixels = pixels
        self.notes = [*notes, *more]
        self.done = 0.0
        self._arrays: dict[str, pa.Array] = dict(zip(names, columns.values(), strict=True))
        self._arrays[IMAGE] = pa.array(np.arange(len(pixels), dtype=np.float64))
        self._arrays[PICTURE] = pa.array(digests, pa.string())
        self.columns = tuple(self._arrays)
        self._watched = [(path, _state(path)) for path in watched]
        self._digest = digest

    @property
    def digest(self) -> str:
        """Of the files as they were read; "" once one of them changed."""
        return self._digest if all(_state(path) == state for path, state in self._watched) else ""

    def batches(self, columns: Sequence[str], as_text: frozenset[str]) -> Iterator[list[pa.Array]]:
        """The named columns, at most 65,536 rows at a time."""
        rows = len(self.pixels)
        for first in range(0, rows, _BATCH):
            self.done = min(1.0, (first + _BATCH) / rows)
            yield [
                plain_column(self._arrays[name].slice(first, _BATCH), as_text=name in as_text)
                for name in columns
            ]


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns
