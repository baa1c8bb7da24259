"""Names and words that people and programs give: what is kept, and what is refused with a reason."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from accounts.names import trouble_with
from assay.datasets.odd_characters import refuse_odd_characters
from assay.datasets.values import visible
from assay.errors import BadInput

__all__ = [
    "MOST_FILES",
    "checked_name",
    "checked_paths",
    "checked_text",
    "file_name",
    "in_one_folder",
    "left_behind",
]

MOST_FILES = 1_000
"""Files of one model folder."""
_LONGEST_PATH = 255
_LONGEST_TEXT = 20_000
_LEFT_BEHIND = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


def checked_name(name: str, what: str = "name", longest: int = 120) -> str:
    """A one-line name, blanks around it removed.

    Raises BadInput: nothing to see in it, too long, control characters, or characters that turn the direction
    of what stands after them.
    """
    found = name.strip()
    if len(found) > longest:
        raise BadInput(f"The {what} has {len(found)} characters; at most {longest} are kept.")
    if (trouble := trouble_with(found)) is not None:
        raise BadInput(f"The {what} {trouble}")
    return found


def checked_text(text: str, what: str, longest: int = _LONGEST_TEXT) -> str:
    """Free text. Raises BadInput: too long, or characters that no database keeps."""
    if len(text) > longest:
        raise BadInput(f"The text on {what} has {len(text):,} characters; at most {longest:,} are kept.")
    refuse_odd_characters(text, what)
    return text.strip()


def file_name(path: str) -> str:
    """The last part of a relative path. Raises BadInput as `checked_paths`."""
    return PurePosixPath(checked_paths([path])[0]).name


def checked_paths(paths: Iterable[str]) -> list[str]:
    """Relative paths of the files of one folder, as they came.

    Raises:
        BadInput: none or too many; absolute, leading out of the folder, with backslashes or control
            characters, too long; two that are the same on some machine, or a file that is also a folder.
    """
    found = list(paths)
    if not found:
        raise BadInput("There are no files; choose the files of the model's folder.")
    if len(found) > MOST_FILES:
        raise BadInput(f"These are {len(found):,} files; a model folder has at most {MOST_FILES:,}.")
    seen: dict[str, str] = {}
    for path in found:
        _check(path)
        same = unicodedata.normalize("NFC", path).casefold()
        if same in seen:
            raise BadInput(
                f'The paths "{visible(seen[same])}" and "{visible(path)}" are the same on some machines; '
                "rename one."
            )
        seen[same] = path
    for same, path in seen.items():
        parts = same.split("/")
        for count in range(1, len(parts)):
            if (folder := "/".join(parts[:count])) in seen:
                raise BadInput(f'"{visible(seen[folder])}" is a file and the folder of "{visible(path)}".')
    return found


def in_one_folder(paths: Iterable[str]) -> dict[str, str]:
    """Given path -> path inside the one folder that all share, as browsers name the files of a folder."""
    found = list(paths)
    tops = {path.partition("/")[0] for path in found}
    if len(tops) == 1 and all("/" in path for path in found):
        return {path: path.partition("/")[2] for path in found}
    return {path: path for path in found}


def left_behind(path: str) -> bool:
    """Whether an operating system put the file there: it is no part of a model."""
    parts = path.split("/")
    return parts[-1] in _LEFT_BEHIND or "__MACOSX" in parts


def _check(path: str) -> None:
    shown = visible(path[:80])
    if not path or len(path) > _LONGEST_PATH:
        raise BadInput(f'The path "{shown}" has {len(path)} characters; 1 to {_LONGEST_PATH} are possible.')
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in path):
        raise BadInput(f'The path "{shown}" holds control characters; rename the file.')
    if "\\" in path:
        raise BadInput(f'The path "{shown}" holds a backslash; write folders with /.')
    if path.startswith("/") or path[1:2] == ":":
        raise BadInput(f'The path "{shown}" is absolute; give it relative to the model\'s folder.')
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise BadInput(f'The path "{shown}" has an empty part, "." or ".."; give it plainly.')
    if any(len(part.encode()) > 200 for part in parts):
        raise BadInput(f'A name in the path "{shown}" is too long; shorten it.')
