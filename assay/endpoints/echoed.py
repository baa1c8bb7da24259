"""Which tokens of an echoed text are the text's own, where every server spells tokens in its own way.

A start token may stand before them and a generated one behind them. Offsets are counted from the tokens'
texts: those that servers give count the start token in (vLLM) or say nothing (-1, SGLang).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["covers_a_part", "own_tokens", "spells", "utf8_size"]

_BLANK = re.compile(r"[\s\u2581]+")
"""Blanks, and SentencePiece's mark of one: tokens that are decoded one by one lose theirs."""
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_BYTES = re.compile(r"bytes:(?:\\x[0-9a-f]{2})+")
_BROKEN = "\ufffd"
"""Part of a character; so are tokens written as bytes."""


def own_tokens(tokens: Sequence[str], text: str, *, start: bool) -> range | None:
    """Places of the tokens that spell `text`; None where none do.

    Where the tokens' texts put together begin with the text to the letter, the tokens that start before its
    end are its own. Elsewhere blanks and parts of characters are lost, and all tokens, or all but the last,
    which was generated then, must spell it otherwise.

    Args:
        start: whether the first token may be a start token, which is no part of the text.
    """
    pieces = [_piece(token) for token in tokens]
    for first in (0, 1) if start else (0,):
        stop, length = first, 0
        while stop < len(tokens) and length < len(text):
            length += len(tokens[stop])
            stop += 1
        if "".join(tokens[first:stop]) == text:
            return range(first, stop)
        for stop in (len(tokens) - 1, len(tokens)):
            if stop > first and spells("".join(pieces[first:stop]), text):
                return range(first, stop)
    return None


def spells(said: str, text: str) -> bool:
    """Whether `said` is `text` but for blanks, where up to n parts of characters stand for 1 to n of them."""
    said, text = _bare(said), _bare(text)
    parts = re.split(f"({_BROKEN}+)", said)
    if not text.startswith(parts[0]):
        return False
    at = len(parts[0])
    for broken, whole in zip(parts[1::2], parts[2::2], strict=True):
        if not whole:  # only the last
            return 1 <= len(text) - at <= len(broken)
        found = text.find(whole, at + 1, at + len(broken) + len(whole))
        if found < 0:
            return False
        at = found + len(whole)
    return at == len(text)


def covers_a_part(tokens: Sequence[str], text: str) -> bool:
    """Whether several tokens, perhaps without the first and the last, are only its beginning or end."""
    wanted = _bare(text)
    for first in (0, 1):
        for stop in (len(tokens) - 1, len(tokens)):
            part = _bare("".join(map(_piece, tokens[first:stop])))
            if stop - first > 1 and part and (wanted.startswith(part) or wanted.endswith(part)):
                return True
    return False


def utf8_size(text: str) -> int:
    """Bytes in UTF-8; of what is no text too, since a child may send it."""
    return len(text.encode("utf-8", "surrogatepass"))


def _piece(token: str) -> str:
    """A token's text, with parts of characters as U+FFFD."""
    byte = _BYTE.fullmatch(token)
    if byte is not None:
        code = int(byte[1], 16)
        return chr(code) if code < 128 else _BROKEN
    return _BROKEN * token.count("\\x") if _BYTES.fullmatch(token) else token


def _bare(text: str) -> str:
    return _BLANK.sub("", text)
