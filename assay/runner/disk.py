"""Whether a child fills the disk that its folders lie on, as the file system counts it.

Not the sizes of its files: what was unlinked and is still held open, or mapped, has no name any more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

__all__ = ["Disk"]

_KEPT = 0.2
"""Share of what was free when the child started that has to stay free for everybody else."""


class Disk:
    """The file systems of the folders that one child may write to, from now on."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._kept = [
            (folder, int(_KEPT * there.bytes), int(_KEPT * there.files))
            for folder in folders
            if (there := _free(folder)) is not None
        ]

    def nearly_full(self) -> str:
        """What is wrong, as a sentence; empty while there is room."""
        for folder, kept_bytes, kept_files in self._kept:
            left = _free(folder)
            if left is not None and (left.bytes < kept_bytes or left.files < kept_files):
                return (
                    "the disk of its working folder is nearly full, of which a child may take four fifths of "
                    "what is free. Free some space, or end what else is writing there."
                )
        return ""


class _Free(NamedTuple):
    bytes: int
    files: int
    """0 where the file system does not count them."""


def _free(folder: Path) -> _Free | None:
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return _Free(found.f_bavail * found.f_frsize, found.f_favail)
