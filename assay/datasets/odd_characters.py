"""Characters that neither databases nor strict readers of JSON keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.errors import BadInput

__all__ = ["refuse_odd_characters"]


def refuse_odd_characters(value: Any, what: str) -> None:
    """Raises BadInput where a string anywhere in a JSON value holds NUL or half a surrogate pair."""
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise BadInput(f"Text in {what} holds a NUL or a broken character; leave it out.")
    elif isinstance(value, Mapping):
        for key, each in value.items():
            refuse_odd_characters(key, what)
            refuse_odd_characters(each, what)
    elif isinstance(value, list | tuple):
        for each in value:
            refuse_odd_characters(each, what)
