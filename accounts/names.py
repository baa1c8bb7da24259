"""Names of things and people: something can be seen in them, and they turn nothing around them."""

from __future__ import annotations

import unicodedata

from django.core.exceptions import ValidationError

__all__ = ["trouble_with", "validate_name"]

_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that reorder the text around a name. Right-to-left letters need none of them."""
_UNSEEN = ("Cf", "Zs", "Zl", "Zp", "Mn", "Me")


def trouble_with(name: str) -> str | None:
    """What is wrong with a one-line name, to stand after "The name"; None where nothing is."""
    kinds = [unicodedata.category(character) for character in name]
    if all(kind in _UNSEEN for kind in kinds):
        return "is empty; give it one."
    if any(kind in ("Cc", "Cs", "Zl", "Zp") for kind in kinds):
        return "holds control characters; leave them out."
    if not _TURNING.isdisjoint(name):
        return "holds characters that turn the direction of text; leave them out."
    return None


def validate_name(name: str) -> None:
    """A validator for forms."""
    if (trouble := trouble_with(name)) is not None:
        said = "Something to see has to be in it." if trouble.startswith("is empty") else f"It {trouble}"
        raise ValidationError(said, code="name")
