"""The files of an image folder, and their digest, without a picture being opened."""

from __future__ import annotations

import hashlib
from pathlib import Path

from assay.datasets.values import visible
from assay.errors import BadInput

__all__ = ["entry_of", "image_folder_digest", "listed_pictures"]

MAX_PICTURES = 1_000_000
_MAX_CLASSES = 10_000


def listed_pictures(path: Path) -> list[tuple[str, Path]]:
    """(class, file), sorted; hidden files and files beside the classes are left out.

    Raises:
        BadInput: links, folders inside classes, no picture or too many.
    """
    name = visible(path.name)
    folders = sorted(m for m in path.iterdir() if m.is_dir() and not m.name.startswith("."))
    if len(folders) > _MAX_CLASSES:
        raise BadInput(f"{name} has {len(folders):,} subfolders; one a class, at most {_MAX_CLASSES:,}.")
    found: list[tuple[str, Path]] = []
    for folder in folders:
        for file in sorted(folder.iterdir()):
            where = f"{visible(folder.name)}/{visible(file.name)}"
            if file.name.startswith("."):
                continue
            if file.is_symlink() or folder.is_symlink() or not (file.is_file() or file.is_dir()):
                raise BadInput(f"{name}: {where} is a link or no regular file; put the image itself there.")
            if file.is_dir():
                raise BadInput(f"{name}: {where} is a folder; a class's subfolder holds images only.")
            found.append((visible(folder.name), file))
            if len(found) > MAX_PICTURES:
                raise BadInput(f"{name} holds more than {MAX_PICTURES:,} images.")
    if not found:
        raise BadInput(f"{name} holds no images: it needs a subfolder for each class with PNG or JPEG files.")
    return found


def image_folder_digest(path: Path) -> str:
    """SHA-256 over class, name and SHA-256 of each file, in their order.

    Raises:
        BadInput: as `listed_pictures`.
    """
    whole = hashlib.sha256()
    for label, file in listed_pictures(path):
        with file.open("rb") as opened:
            whole.update(entry_of(label, file, hashlib.file_digest(opened, "sha256").digest()))
    return whole.hexdigest()


def entry_of(label: str, file: Path, sha256: bytes) -> bytes:
    """What one file adds to the digest of its folder."""
    head = f"{len(label)}:{label}/{len(file.name)}:{file.name}:"
    return head.encode("utf-8", "surrogatepass") + sha256
