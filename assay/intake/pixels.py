"""Pictures on their way into one memory-mapped array (rows, channels, height, width)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import ImageInput
from assay.errors import BadInput

__all__ = ["MAX_SIDE", "PixelWriter"]

MAX_SIDE = 4_096
"""Pixels of an image's height and width, as in a signature."""
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Of red, green and blue: ITU-R BT.601, as Pillow's own conversion to grey."""


class PixelWriter:
    """Writes pictures of one size to a file and hashes each.

    Args:
        file: what messages call the data.
        path: the file to make.
        wanted: what the model reads; None keeps the pictures as they are.

    Grey becomes colour by repetition and colour grey by luminance, an opaque alpha channel is dropped, and
    `notes` say so. Any other difference is refused: whoever resizes pictures decides what the model sees.
    """

    def __init__(self, file: str, path: Path, wanted: ImageInput | None) -> None:
        self.notes: list[str] = []
        self.digests: list[str] = []
        """A digest of each picture's pixels: equal pictures have equal ones."""
        self._name = file
        self._path = path
        self._wanted = wanted
        self._shape: tuple[int, ...] | None = None
        self._kind: np.dtype[Any] = np.dtype(np.uint8)
        with self._room():
            self._file = path.open("wb")

    def __enter__(self) -> PixelWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, pictures: npt.NDArray[Any], where: str) -> None:
        """Some pictures (rows, height, width, channels), uint8 or float32 in [0, 1].

        Raises BadInput, naming `where`: another size than the model's or the first one's.
        """
        converted = self._converted(pictures, where)
        if self._shape is None:
            self._shape, self._kind = converted.shape[1:], converted.dtype
        elif converted.shape[1:] != self._shape:
            raise BadInput(
                f"{self._name}: {where} has {_size(converted.shape[1:])}, the ones before it have "
                f"{_size(self._shape)}; all must have one size."
            )
        content = np.ascontiguousarray(converted)
        for picture in content:
            self.digests.append("p" + blake2b(picture.tobytes(), digest_size=12).hexdigest())
        with self._room():
            self._file.write(content.tobytes())

    def finish(self) -> npt.NDArray[Any]:
        """The finished array, mapped read-only. Raises BadInput when there was no picture."""
        with self._room():
            self._file.close()
        if self._shape is None:
            raise BadInput(f"{self._name} holds no images.")
        shape = (len(self.digests), *self._shape)
        return np.memmap(self._path, dtype=self._kind, mode="r", shape=shape)

    def _converted(self, pictures: npt.NDArray[Any], where: str) -> npt.NDArray[Any]:
        """Channels first, as many as wanted."""
        height, width, channels = pictures.shape[1:]
        if not 1 <= height <= MAX_SIDE or not 1 <= width <= MAX_SIDE:
            raise BadInput(
                f"{self._name}: {where} has {height:,} × {width:,} pixels; at most {MAX_SIDE:,} a side."
            )
        wanted = self._wanted
        if wanted is not None and (height, width) != (wanted.height, wanted.width):
            raise BadInput(
                f"{self._name}: {where} has {height} × {width} pixels, the model reads {wanted.height} × "
                f"{wanted.width}. Assay does not resize: prepare the images as for training."
            )
        target = channels if wanted is None else wanted.channels
        if channels == target:
            found = pictures
        elif channels == 1 and target == 3:
            self._note("grey images were repeated in the three channels that the model reads")
            found = np.repeat(pictures, 3, axis=3)
        elif channels == 3 and target == 1:
            self._note("colour images were made grey (luminance) for the one channel that the model reads")
            grey = pictures.astype(np.float32) @ _LUMINANCE
            found = (np.rint(grey).astype(np.uint8) if pictures.dtype == np.uint8 else grey)[..., None]
        elif channels == 4 and target == 3 and _opaque(pictures[..., 3]):
            self._note("an alpha channel without any transparency was dropped")
            found = pictures[..., :3]
        else:
            raise BadInput(
                f"{self._name}: {where} has {channels} channels, the model reads {target}; convert the "
                "images as for training."
            )
        return np.moveaxis(found, 3, 1)

    def _note(self, what: str) -> None:
        note = f"{self._name}: {what}."
        if note not in self.notes:
            self.notes.append(note)

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise BadInput(
                f"The images cannot be written to the scratch folder: {reason}. Free some space and "
                "run again."
            ) from None


def _opaque(alpha: npt.NDArray[Any]) -> bool:
    return bool((alpha == (255 if alpha.dtype == np.uint8 else 1)).all())


def _size(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"{height} × {width} pixels and {channels} channel(s)"
