"""What a file of any format looks like to the passes of intake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa

from assay.contracts import FileRequest, ImageInput
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.column_names import MAX_COLUMNS
from assay.intake.delimited import DelimitedSource
from assay.intake.image_folder import is_image_folder, open_image_folder
from assay.intake.image_zip import open_image_zip
from assay.intake.jsonl import JsonLinesSource
from assay.intake.npz import open_npz
from assay.intake.parquet import ParquetSource
from assay.intake.recognise import recognise

__all__ = ["MAX_COLUMNS", "Pixels", "Source", "open_source"]


class Source(Protocol):
    """A table on disk that can be read any number of times, in the same batches each time."""

    name: str
    """File name without its folder."""
    columns: tuple[str, ...]
    notes: list[str]
    done: float
    """Share of the file that the pass under way has read."""

    @property
    def digest(self) -> str:
        """SHA-256 of the file as the last complete pass read it."""
        ...

    def batches(self, columns: Sequence[str], as_text: frozenset[str]) -> Iterator[list[pa.Array]]:
        """The named columns, batch by batch: strings as they stand, or float64 where the file is typed.

        Columns in `as_text` come as strings whatever the file's type.
        """
        ...


class Pixels(NamedTuple):
    """Where pictures are written to, and how the model reads them (None: as they are)."""

    path: Path
    wanted: ImageInput | None


def open_source(request: FileRequest, pixels: Pixels) -> Source:
    """Recognise the file by its content and open it. Raises BadInput (see `recognise` and the sources)."""
    path = Path(request.path)
    folder = is_image_folder(path)
    kind = None if folder else recognise(path)
    if kind is None or kind.format in ("npz", "zip"):
        if request.header is not None:
            raise BadInput(f"{visible(path.name)} holds images, not a table; leave --header out.")
        if folder:
            return open_image_folder(path, pixels.path, pixels.wanted)
        if kind is not None and kind.format == "zip":
            return open_image_zip(path, pixels.path, pixels.wanted)
        return open_npz(path, pixels.path, pixels.wanted)
    if kind.format == "parquet":
        if request.header is not None:
            raise BadInput(f"{visible(path.name)} is Parquet and names its own columns; leave --header out.")
        return ParquetSource(path)
    if kind.format == "jsonl":
        if request.header is not None:
            raise BadInput(
                f"{visible(path.name)} is JSON Lines and names its own columns; leave --header out."
            )
        return JsonLinesSource(path, gzip=kind.gzip)
    return DelimitedSource(path, gzip=kind.gzip, header=request.header)
