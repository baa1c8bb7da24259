"""Images in an .npz: arrays `images`, `labels`, and any further one with a value a picture.

NumPy's own reader is not let near it: the zip's claims are held against limits first, headers are read by
NumPy's parser of literals, and arrays of objects, which hide a pickle, are refused.
"""

from __future__ import annotations

import math
import zipfile
from hashlib import file_digest
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from assay.contracts import ImageInput
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.archives import checked_members, open_archive
from assay.intake.column_names import LABEL
from assay.intake.images import ImageSource
from assay.intake.pixels import PixelWriter

__all__ = ["open_npz"]

_MAX_ARRAYS = 1_000
_MAX_COLUMN = 2**30
_CHUNK = 16 * 2**20
_LAST_POINT = 0x10FFFF
_IMAGES, _LABELS, _CLASSES = "images", "labels", "classes"


def open_npz(path: Path, pixels_at: Path, wanted: ImageInput | None) -> ImageSource:
    """Read the pictures of an .npz into the array at `pixels_at`.

    `images` is (n, height, width) or (n, height, width, channels), uint8 or floats in [0, 1]; `labels` has n
    values (with `classes`, an array of names, they are places in it); every other array of n values becomes
    a column.

    Raises:
        BadInput: a damaged or oversized archive, objects, no images, other shapes and values.
    """
    name = visible(path.name)
    with open_archive(path, name, ".npz") as archive, PixelWriter(name, pixels_at, wanted) as writer:
        members = _members(name, archive)
        if _IMAGES not in members:
            raise BadInput(
                f'{name} has no array "{_IMAGES}"; it has {", ".join(list(members)[:8])}. Save images, '
                "labels and attributes under their names: np.savez(FILE, images=…, labels=…, sex=…)."
            )
        rows = _pictures(name, archive, members.pop(_IMAGES), writer)
        columns, notes = _columns(name, archive, members, rows)
        pixels = writer.finish()
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return ImageSource(name, columns, pixels, writer.digests, digest, [*notes, *writer.notes], [path])


def _members(name: str, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Array name -> member, with the archive's claims checked."""
    found: dict[str, zipfile.ZipInfo] = {}
    for file, member in checked_members(archive, name, _MAX_ARRAYS).items():
        array = file.removesuffix(".npy")
        if array == file or "/" in array:
            raise BadInput(f"{name} holds {visible(file[:80])}, which is no array of an .npz.")
        found[array] = member
    return found


def _header(
    name: str, array: str, member: zipfile.ZipInfo, file: IO[bytes]
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array whose content follows in `file`."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise BadInput(f'{name}: array "{visible(array)}" is of npy version {version}, which is not read.')
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, kind = read(file)
    if kind.hasobject:
        raise BadInput(
            f'{name}: array "{visible(array)}" holds Python objects, which only a pickle can bring and Assay '
            "never opens. Save plain numbers or text: .astype(str)."
        )
    if fortran and len(shape) > 1:
        raise BadInput(
            f'{name}: array "{visible(array)}" is in Fortran order; save np.ascontiguousarray of it.'
        )
    if math.prod(shape) * kind.itemsize != member.file_size - file.tell():
        raise BadInput(
            f'{name}: array "{visible(array)}" claims the shape {shape}, which its bytes do not fill.'
        )
    return shape, kind


def _pictures(name: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo, writer: PixelWriter) -> int:
    with archive.open(member) as file:
        shape, kind = _header(name, _IMAGES, member, file)
        whole = kind == np.uint8 or kind.kind == "f"
        if len(shape) not in (3, 4) or not whole or not 1 <= (*shape, 1)[3] <= 4:
            raise BadInput(
                f"{name}: images are {kind} of shape {shape}; they must be uint8, or floats in [0, 1], of "
                "shape (n, height, width) or (n, height, width, channels)."
            )
        if min(shape) == 0:
            raise BadInput(f"{name} holds no images.")
        one = math.prod(shape[1:]) * kind.itemsize
        step = max(1, _CHUNK // one)
        for first in range(0, shape[0], step):
            rows = min(step, shape[0] - first)
            content = _exactly(file, rows * one, name, _IMAGES)
            pictures = np.frombuffer(content, kind).reshape(rows, *shape[1:])
            if kind.kind == "f":
                pictures = _floats(name, pictures, first)
            writer.append(
                pictures if pictures.ndim == 4 else pictures[..., None],
                f"image {first + 1:,} of {shape[0]:,}",
            )
    return shape[0]


def _floats(name: str, pictures: npt.NDArray[Any], first: int) -> npt.NDArray[np.float32]:
    if not (np.isfinite(pictures).all() and pictures.min() >= 0 and pictures.max() <= 1):
        inside = np.isfinite(pictures) & (pictures >= 0) & (pictures <= 1)
        place = int(np.argmin(inside.reshape(len(pictures), -1).all(axis=1)))
        values = pictures[place]
        raise BadInput(
            f"{name}: image {first + place + 1:,} has values from {np.min(values):.3g} to "
            f"{np.max(values):.3g}; floats lie in [0, 1] (divide by 255, or save uint8)."
        )
    return pictures.astype(np.float32)


def _columns(
    name: str, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], rows: int
) -> tuple[dict[str, pa.Array], list[str]]:
    """Label and attributes; arrays of another shape are left out, with a note."""
    found: dict[str, pa.Array] = {}
    notes: list[str] = []
    classes: npt.NDArray[Any] | None = None
    for array, member in members.items():
        with archive.open(member) as file:
            shape, kind = _header(name, array, member, file)
            fits = len(shape) == 1 and kind.kind in "biufUS" and member.file_size <= _MAX_COLUMN
            if not fits or (shape[0] != rows and array != _CLASSES):
                if array in (_LABELS, LABEL):
                    raise BadInput(
                        f"{name}: {array} are {kind} of shape {shape}; they must be one number or text for "
                        f"each of the {rows:,} images."
                    )
                notes.append(
                    f'{name}: array "{visible(array)}" is no column of {rows:,} values and was left out.'
                )
                continue
            values = np.frombuffer(_exactly(file, math.prod(shape) * kind.itemsize, name, array), kind)
        if array == _CLASSES and (shape[0] != rows or len(np.unique(values)) == rows):
            classes = values  # as many names as pictures are names too, as long as they are different ones
            continue
        column = LABEL if array == _LABELS else array
        if column in found:
            raise BadInput(f'{name} holds both "{_LABELS}" and "{LABEL}"; keep one of them.')
        found[column] = _arrow(name, array, values)
    if classes is not None and LABEL in found:
        found[LABEL] = _named(name, found[LABEL], classes)
    order = [column for column in (LABEL,) if column in found]
    return {column: found[column] for column in [*order, *(c for c in found if c != LABEL)]}, notes


def _arrow(name: str, array: str, values: npt.NDArray[Any]) -> pa.Array:
    if values.dtype.kind == "S":
        try:
            return pa.array([value.decode() for value in values.tolist()], pa.string())
        except UnicodeDecodeError:
            raise BadInput(
                f'{name}: array "{visible(array)}" is not UTF-8; save it with .astype(str).'
            ) from None
    if values.dtype.kind == "U":
        points = values.astype(values.dtype.newbyteorder("=")).view(np.uint32)
        if ((points > _LAST_POINT) | ((points >= 0xD800) & (points <= 0xDFFF))).any():
            raise BadInput(
                f'{name}: array "{visible(array)}" holds characters that are no Unicode text; save it anew.'
            )
        return pa.array(values.tolist(), pa.string())
    if values.dtype.kind == "b":
        return pa.array(values)
    native = values.astype(values.dtype.newbyteorder("="))
    return pa.array(native.astype(np.float64) if native.dtype.kind == "f" else native)


def _named(name: str, labels: pa.Array, classes: npt.NDArray[Any]) -> pa.Array:
    """Places in `classes` as the names that stand there."""
    if not pa.types.is_integer(labels.type):
        raise BadInput(f'{name}: with an array "{_CLASSES}" the labels must be whole numbers, places in it.')
    names, places = _arrow(name, _CLASSES, classes), np.asarray(labels).astype(np.int64)
    if len(places) and (places.min() < 0 or places.max() >= len(names)):
        raise BadInput(f'{name}: labels reach {places.max()}, but "{_CLASSES}" has {len(names)} names.')
    return pa.array(names).take(pa.array(places))


def _exactly(file: IO[bytes], size: int, name: str, array: str) -> bytes:
    content = file.read(size)
    if len(content) != size:
        raise BadInput(f'{name}: array "{visible(array)}" is cut short.')
    return content
