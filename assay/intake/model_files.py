"""Reading what lies beside weights: JSON within limits, signatures, lineage, digests of folders."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assay.canonical import canonical_json
from assay.contracts import Lineage, ModelSignature
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.limits import MAX_DEPTH, MAX_FILES, MAX_FOLDERS, MAX_JSON

__all__ = [
    "MAX_FILES",
    "MAX_JSON",
    "SIDE_FILES",
    "alike",
    "digests_of",
    "file_digest",
    "folder_digest",
    "model_files",
    "read_json",
    "read_lineage",
    "read_signature",
    "the_file",
]

SIDE_FILES = ("signature.json", "lineage.json")
"""What may lie beside a model that is one file."""
_CHUNK = 1 << 20


def read_json(path: Path, limit: int = MAX_JSON) -> Any:
    """The JSON in a file. Raises BadInput: missing, over `limit` bytes, not JSON."""
    name = _name(path)
    try:
        size = path.stat().st_size
        if size > limit:
            raise BadInput(f"{name} has {size:,} bytes; at most {limit:,} are read.")
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BadInput(f"{name} is missing.") from None
    except OSError as error:
        raise BadInput(f"{name} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name} is not JSON: {str(error)[:160]}.") from None


def read_signature(path: Path) -> ModelSignature:
    """A signature.json. Raises BadInput with the field that is wrong."""
    try:
        return ModelSignature.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise BadInput(f"{_name(path)}: {where}: {first['msg']}.") from None


def read_lineage(path: Path) -> Lineage | None:
    """A lineage.json; None where there is none. It is what the folder claims, and printed so."""
    if not path.is_file():
        return None
    try:
        return Lineage.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise BadInput(f"{_name(path)}: {where}: {first['msg']}.") from None


def model_files(path: Path) -> list[tuple[str, Path]]:
    """Relative name and path of every regular file of a model (a file or a folder), sorted by name.

    Raises BadInput: links, devices, and more files and folders than MAX_FILES, MAX_FOLDERS and MAX_DEPTH.
    """
    if path.is_file() and not path.is_symlink():
        return [(path.name, path)]
    found: list[tuple[str, Path]] = []
    seen = 0
    for root, folders, files in os.walk(path, followlinks=False):
        seen += len(folders)
        depth = len(Path(root).relative_to(path).parts) + bool(folders)
        if depth > MAX_DEPTH or seen > MAX_FOLDERS:
            raise BadInput(
                f"{visible(path.name)} is more than {MAX_DEPTH} folders deep or holds more than "
                f"{MAX_FOLDERS} of them; a model folder has a few."
            )
        for name in [*folders, *files]:
            member = Path(root) / name
            relative = member.relative_to(path).as_posix()
            if member.is_symlink():
                raise BadInput(f"{_name(path / relative)} is a link; put the file itself there.")
            if name in files:
                if not member.is_file():
                    raise BadInput(f"{_name(path / relative)} is no regular file.")
                found.append((relative, member))
        if len(found) > MAX_FILES:
            raise BadInput(
                f"{visible(path.name)} holds more than {MAX_FILES:,} files; a model folder has a few."
            )
    return sorted(found)


def alike(path: Path, looks: Callable[[Path], bool]) -> list[Path]:
    """The files directly in the folder `path`, side files apart, whose content `looks` accepts; sorted."""
    return [
        member
        for member in sorted(path.iterdir())
        if member.name not in SIDE_FILES and member.is_file() and not member.is_symlink() and looks(member)
    ]


def the_file(path: Path, looks: Callable[[Path], bool]) -> Path | None:
    """The model file that `path` is, or the only one in the folder `path`; None for none and for several.

    Args:
        looks: whether a file's content is of the format; reads little and never raises for bad content.
    """
    if path.is_file():
        return path if looks(path) else None
    found = alike(path, looks) if path.is_dir() else []
    return found[0] if len(found) == 1 else None


def folder_digest(path: Path) -> str:
    """SHA-256 of a file; for a folder, of the canonical JSON of its files' names, sizes and digests."""
    return digests_of(path)[0]


def digests_of(path: Path) -> tuple[str, ...]:
    """The digest of a model (`folder_digest`), then those of the folder's own files."""
    listed = [
        {"name": name, "size": member.stat().st_size, "sha256": file_digest(member)}
        for name, member in model_files(path)
    ]
    own = tuple(str(each["sha256"]) for each in listed)
    if path.is_file():
        return own
    return (hashlib.sha256(canonical_json(listed)).hexdigest(), *own)


def _name(path: Path) -> str:
    """Folder and file, as messages show them."""
    return f"{visible(path.parent.name)}/{visible(path.name)}"


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            found.update(piece)
    return found.hexdigest()
