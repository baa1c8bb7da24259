"""Verification codes: unguessable, and readable from paper."""

from __future__ import annotations

import re
import secrets

__all__ = ["ALPHABET", "LENGTH", "grouped", "new_code", "read_code"]

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: without I, L, O and U, which are misread."""
LENGTH = 24
"""5 bits each: 120 bits."""
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1"})
_CODE = re.compile(rf"[{ALPHABET}]{{{LENGTH}}}")


def new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def read_code(typed: str) -> str | None:
    """The code that somebody typed, with blanks, dashes and misread letters put right; None if it is none.

    Copied from the PDF, a long word carries zero-width spaces where it may break.
    """
    if len(typed) > 200:
        return None
    found = re.sub(r"[\s\-–_.\u200b\u2060\ufeff]", "", typed).upper().translate(_MISREAD)
    return found if _CODE.fullmatch(found) else None


def grouped(code: str) -> str:
    """In groups of four, as printed."""
    return " ".join(code[place : place + 4] for place in range(0, len(code), 4))
