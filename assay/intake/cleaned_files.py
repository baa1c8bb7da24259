"""Taking over what a child wrote when it cleaned a model: hostile until it has passed here.

The child has opened a file of class B, so it may be whoever made that file. It has ended before anything is
looked at. Only regular files with one name each, few, of bounded size and plainly named, are copied; then the
gate admits the copies like any other upload.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from assay.datasets.values import visible
from assay.errors import BadInput, ChildFailed
from assay.intake.gate import MAX_MODEL, admit

__all__ = ["MOST_CLEANED", "take_over"]

MOST_CLEANED = 200
_MOST_FOLDERS = 20
_DEEPEST = 4
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,119}")
_CHUNK = 1 << 20


def take_over(written: Path, into: Path, most_bytes: int = MAX_MODEL) -> list[str]:
    """Copy what cleaning wrote from the folder `written` into the empty folder `into`.

    Args:
        written: in the scratch folder of a child that has ended.
        most_bytes: of all files together.

    Returns:
        relative names, sorted.

    Raises:
        ChildFailed: links, devices, files with a second name, odd names, too many, too deep, too large;
            nothing at all; or what the gate does not admit.
    """
    if written.is_symlink() or not written.is_dir():
        raise ChildFailed("Cleaning said that it was done and left no folder.")
    names: list[str] = []
    left = most_bytes
    for relative in _walk(written):
        names.append(relative)
        if len(names) > MOST_CLEANED:
            raise ChildFailed(f"Cleaning left more than {MOST_CLEANED} files; a model folder has a few.")
        target = into / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        left -= _copy(written / relative, target, relative, left)
    if not names:
        raise ChildFailed("Cleaning said that it was done and left no file.")
    try:
        admit(into)
    except BadInput as error:
        raise ChildFailed(f"What cleaning left is not admitted: {error.message}") from error
    return sorted(names)


def _walk(root: Path) -> Iterator[str]:
    """Relative names of files; entries are counted while they are listed, never followed."""
    waiting = [("", 0)]
    folders = 0
    while waiting:
        above, depth = waiting.pop()
        with os.scandir(root / above) as entries:
            for place, entry in enumerate(entries):
                if place > MOST_CLEANED + _MOST_FOLDERS:
                    raise ChildFailed(f"Cleaning left more than {MOST_CLEANED} files; a model has a few.")
                relative = f"{above}/{entry.name}" if above else entry.name
                if _NAME.fullmatch(entry.name) is None:
                    raise ChildFailed(f'Cleaning left an odd name, "{visible(relative[:80])}".')
                if entry.is_symlink():
                    raise ChildFailed(f'Cleaning left a link, "{relative}".')
                if not entry.is_dir(follow_symlinks=False):
                    yield relative
                    continue
                folders += 1
                if depth + 1 >= _DEEPEST or folders > _MOST_FOLDERS:
                    raise ChildFailed("Cleaning left folders in folders; a model has few.")
                waiting.append((relative, depth + 1))


def _copy(source: Path, target: Path, name: str, most: int) -> int:
    """Bytes copied; the file that was checked is the one that is read."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ChildFailed(f'Cleaning left "{name}", which cannot be read: {error.strerror}.') from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ChildFailed(f'Cleaning left "{name}", which is no regular file.')
        if found.st_nlink != 1:
            raise ChildFailed(f'Cleaning left "{name}", which has another name elsewhere.')
        if found.st_size > most:
            raise ChildFailed(f"What cleaning left has more than {MAX_MODEL // 2**30} GB.")
        copied = 0
        with target.open("xb") as out:
            while piece := file.read(_CHUNK):
                copied += len(piece)
                if copied > most:
                    raise ChildFailed("What cleaning left grew while it was read.")
                out.write(piece)
    return copied
