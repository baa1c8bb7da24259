"""Column names as they come in a file, made fit to be named by a user and printed in a report."""

from __future__ import annotations

from collections.abc import Sequence

from assay.datasets.values import as_number, visible
from assay.errors import BadInput, nearest

__all__ = ["IMAGE", "LABEL", "MAX_COLUMNS", "PICTURE", "clean_names", "missing_column"]

MAX_COLUMNS = 10_000
IMAGE, PICTURE, LABEL = "image", "picture", "label"
"""Column of places in the array of pictures; of digests of their pixels, by which repeats are found; of
classes."""
_MAX_NAME = 200


def clean_names(file: str, raw: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Trimmed, printable, unique names and notes on what was changed.

    Raises BadInput for too many or too long names and for the same name twice.
    """
    if len(raw) > MAX_COLUMNS:
        raise BadInput(f"{file} has {len(raw):,} columns; Assay reads at most {MAX_COLUMNS:,}.")
    notes = []
    names = []
    for place, name in enumerate(raw, start=1):
        trimmed = name.strip()
        shown = visible(trimmed)
        if len(shown) > _MAX_NAME:
            raise BadInput(
                f'{file}: the name of column {place} has {len(shown):,} characters ("{shown[:40]}…"); '
                f"at most {_MAX_NAME} are allowed.{_header_hint(raw)}"
            )
        if not shown:
            shown = f"column {place}"
            notes.append(f'{file}: column {place} has no name; it is called "{shown}".')
        elif shown != trimmed:
            notes.append(
                f'{file}: control characters in the name of column {place} were spelt out: "{shown}".'
            )
        names.append(shown)
    trimmed_names = sum(name != name.strip() for name in raw)
    if trimmed_names:
        notes.append(f"{file}: blanks around {trimmed_names:,} column name(s) were removed.")
    places: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if name in places:
            raise BadInput(
                f'{file} has two columns named "{name}" (columns {places[name]} and {place}); '
                f"rename one of them.{_header_hint(raw)}"
            )
        places[name] = place
    return tuple(names), notes


def missing_column(file: str, name: str, role: str, columns: Sequence[str]) -> BadInput:
    """The error for a column that was asked for and is not there, with the nearest names."""
    close = nearest(name, columns)
    hint = f" Columns close to it: {close}." if close else _header_hint(columns)
    if not hint:
        listed = ", ".join(f'"{column}"' for column in columns[:12])
        more = f" and {len(columns) - 12:,} more" if len(columns) > 12 else ""
        hint = f" Its columns: {listed}{more}."
    return BadInput(f'{file} has no column "{name}" ({role}).{hint}')


def _header_hint(columns: Sequence[str]) -> str:
    """Numbers do not name columns: the first row is probably data."""
    if any(as_number(column.strip()) is not None for column in columns):
        return " Its first line looks like data; if the file has no header row, give the names with --header."
    return ""
