"""Images in a folder: one subfolder for each class, PNG or JPEG inside."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from assay.contracts import ImageInput
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.column_names import LABEL
from assay.intake.image_files import entry_of, listed_pictures
from assay.intake.images import ImageSource
from assay.intake.pixels import MAX_SIDE, PixelWriter

__all__ = ["MAX_PICTURE", "decode_picture", "is_image_folder", "open_image_folder"]

MAX_PICTURE = 64 * 2**20
"""Bytes of one picture's file."""
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_MODES = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB", "RGBA": "RGBA"}
"""Pillow's mode of a file -> the mode that it is read in. Others (16 bits, CMYK, ...) are refused."""


def is_image_folder(path: Path) -> bool:
    """Whether the folder has a subfolder whose first visible file is a PNG or JPEG."""
    if not path.is_dir():
        return False
    for folder in sorted(member for member in path.iterdir() if member.is_dir()):
        for file in folder.iterdir():
            if file.is_file() and not file.name.startswith("."):
                with file.open("rb") as opened:
                    if opened.read(8).startswith(_MAGIC):
                        return True
                break
    return False


def open_image_folder(path: Path, pixels_at: Path, wanted: ImageInput | None) -> ImageSource:
    """Read the pictures of a folder into the array at `pixels_at`, by class and name.

    Raises:
        BadInput: a file that is neither PNG nor JPEG or is damaged, folders inside classes, links,
            pictures of different sizes or of another size than the model reads.
    """
    name = visible(path.name)
    listed = listed_pictures(path)
    whole = hashlib.sha256()
    with PixelWriter(name, pixels_at, wanted) as writer:
        for label, file in listed:
            where = f"{label}/{visible(file.name)}"
            if file.stat().st_size > MAX_PICTURE:
                raise BadInput(f"{name}: {where} has more than {MAX_PICTURE // 2**20} MB.")
            content = file.read_bytes()
            whole.update(entry_of(label, file, hashlib.sha256(content).digest()))
            writer.append(decode_picture(name, where, content)[None], where)
        pixels = writer.finish()
    labels = pa.array([label for label, _ in listed], pa.string())
    files = [file for _, file in listed]
    return ImageSource(name, {LABEL: labels}, pixels, writer.digests, whole.hexdigest(), writer.notes, files)


def decode_picture(name: str, where: str, content: bytes) -> npt.NDArray[Any]:
    """The PNG or JPEG `content` as (height, width, channels) uint8.

    Raises BadInput, naming `where` in the data `name`: another format, damaged, too large.
    """
    import io

    from PIL import Image, UnidentifiedImageError

    if not content.startswith(_MAGIC):
        raise BadInput(f"{name}: {where} is neither PNG nor JPEG; convert it, or take it out.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
                if max(image.size) > MAX_SIDE:
                    raise BadInput(
                        f"{name}: {where} has {image.height:,} × {image.width:,} pixels; at most "
                        f"{MAX_SIDE:,} a side."
                    )
                mode = _MODES.get(image.mode)
                if mode is None:
                    raise BadInput(f"{name}: {where} is of kind {image.mode}; save it as 8-bit grey or RGB.")
                found = np.asarray(image if image.mode == mode else image.convert(mode))
    except BadInput:
        raise
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Warning,
    ) as error:
        raise BadInput(f"{name}: {where} is damaged: {visible(str(error)[:100])}.") from None
    return found if found.ndim == 3 else found[..., None]
