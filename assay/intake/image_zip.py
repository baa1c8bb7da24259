"""Images in a zip: a folder for each class, PNG or JPEG inside, read without unpacking to disk."""

from __future__ import annotations

import zipfile
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy.typing as npt
import pyarrow as pa

from assay.contracts import ImageInput
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.archives import checked_members, open_archive, read_member
from assay.intake.column_names import LABEL
from assay.intake.image_folder import MAX_PICTURE, decode_picture
from assay.intake.images import ImageSource
from assay.intake.pixels import PixelWriter

__all__ = ["open_image_zip"]

_BESIDE = ("__MACOSX", "Thumbs.db", "desktop.ini")
"""What archivers and file managers leave behind; hidden files too."""


class _Picture(NamedTuple):
    label: str
    where: str
    member: zipfile.ZipInfo


def open_image_zip(path: Path, pixels_at: Path, wanted: ImageInput | None) -> ImageSource:
    """Read the pictures of an archive into the array at `pixels_at`, by class and name.

    The classes' folders lie at its top, or all in one folder.

    Raises:
        BadInput: a damaged or oversized archive, links and names that lead out of it, names that differ in
            case alone, a member that is no picture or is damaged, pictures of different sizes.
    """
    name = visible(path.name)
    with open_archive(path, name) as archive, PixelWriter(name, pixels_at, wanted) as writer:
        listed = _listed(name, checked_members(archive, name))
        for picture in listed:
            writer.append(_decoded(name, archive, picture)[None], picture.where)
        pixels = writer.finish()
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    labels = pa.array([picture.label for picture in listed], pa.string())
    return ImageSource(name, {LABEL: labels}, pixels, writer.digests, digest, writer.notes, [path])


def _decoded(name: str, archive: zipfile.ZipFile, picture: _Picture) -> npt.NDArray[Any]:
    if picture.member.file_size > MAX_PICTURE:
        raise BadInput(f"{name}: {picture.where} has more than {MAX_PICTURE // 2**20} MB.")
    return decode_picture(name, picture.where, read_member(archive, picture.member))


def _listed(name: str, members: dict[str, zipfile.ZipInfo]) -> list[_Picture]:
    """The pictures, sorted by class and name; files beside the classes are left out."""
    paths = {key: PurePosixPath(key).parts for key in members}
    kept = {key: parts for key, parts in paths.items() if not any(map(_beside, parts))}
    tops = {parts[0] for parts in kept.values()}
    # A zip of one folder: its classes are one step further in, unless pictures lie there already.
    inside = len(tops) == 1 and all(len(parts) > 2 for parts in kept.values())
    found: list[_Picture] = []
    folded: dict[str, str] = {}
    for key in sorted(kept):
        parts = kept[key][1:] if inside else kept[key]
        if len(parts) == 1:
            continue
        where = visible("/".join(parts))
        if len(parts) > 2:
            raise BadInput(
                f"{name}: {where[:120]} lies in a folder within a class; a class holds images only."
            )
        for step in ("/".join(parts), parts[0]):
            other = folded.setdefault(step.casefold(), step)
            if other != step:
                raise BadInput(
                    f'{name} holds "{visible(other[:80])}" and "{visible(step[:80])}", which differ in upper '
                    "and lower case alone; name them in one way."
                )
        found.append(_Picture(visible(parts[0]), where, members[key]))
    if not found:
        raise BadInput(f"{name} holds no images: it needs a folder for each class with PNG or JPEG files.")
    return found


def _beside(part: str) -> bool:
    return part.startswith(".") or part in _BESIDE
