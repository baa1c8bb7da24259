"""Writing what an audit made: all files of a run, or none of them."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from assay.errors import BadInput

__all__ = ["check_writable", "write_all"]


def check_writable(folder: Path) -> None:
    """See that `folder` can be made and written, before hours of work depend on it; leaves no trace.

    Raises:
        BadInput: it is a file, or cannot be made or written.
    """
    made = _missing(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".assay-", dir=folder)
        os.close(descriptor)
        Path(name).unlink()
    except OSError as error:
        raise BadInput(f"--out {folder} cannot be written: {_reason(error)}") from error
    finally:
        _remove_empty(made)


def write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write every file beside its final place, flush them to disk, then rename them into place.

    A full disk or a crash before the renames leaves the folder as it was, or absent where it was not there.

    Raises:
        BadInput: what went wrong, and that nothing was written.
    """
    waiting: list[tuple[Path, Path]] = []
    made = _missing(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            descriptor, temporary = tempfile.mkstemp(prefix=".assay-", dir=folder)
            waiting.append((Path(temporary), folder / name))
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644 & ~_umask())
        for source, target in waiting:
            source.replace(target)
    except OSError as error:
        raise BadInput(f"{folder} could not be written: {_reason(error)}") from error
    finally:
        for source, _ in waiting:
            with contextlib.suppress(OSError):
                source.unlink()
        _remove_empty(made)


def _missing(folder: Path) -> list[Path]:
    """The folders on the way to `folder` that are not there, innermost first."""
    return [place for place in (folder, *folder.parents) if not place.exists()]


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full. Free some space, or name a folder on another disk."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "no permission to write there. Name a folder of your own."
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "it is a file. Name a folder."
    return f"{error.strerror or error}."
