"""Regular expressions that others bring, checked before an engine that goes back and tries again runs them.

`(a+)+$` takes two to the power of its text's length: no time limit inside the engine stops it. What is let
through is what real tokenizers use: no repeat of something that can itself be read in several ways, few
repeats in a row, no references back. The grammar is Oniguruma's, which the tokenizers library runs.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["why_endless"]

_LONGEST = 10_000
_DEEPEST = 50
_MANY = 8
"""A part that may be repeated more often than this counts as repeated without end."""
_MOST_REPEATS = 2
"""Endless repeats in one alternative: the time grows with the text's length to that power."""
_MOST_WAYS = 10_000
"""Ways to read one place of a text, endless repeats aside: each may be tried there."""
_GROUP = re.compile(r"\((?:\?(?:[:=!>|]|<[=!]|<[A-Za-z_]\w*>|[ims-]*:|#))?")
_FLAGS = re.compile(r"\(\?[ims-]+\)")
_COUNT = re.compile(r"\{(\d*)(,?)(\d*)\}")
_ESCAPE = re.compile(r"\\(?:[pP]\{[^}]*\}|x\{[0-9A-Fa-f ]+\}|x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_CONTROL = ("c", "C", "M")
r"""After these the next character is taken as it stands: in `\c[` no class begins."""


class _Part(NamedTuple):
    """`repeats`: endless repeats along its worst alternative; `ways`: in how many it can be read besides."""

    repeats: int = 0
    ways: int = 1


class _Refused(Exception):
    """The pattern, and why."""


def why_endless(pattern: str) -> str | None:
    """Why a pattern is not run, as the rest of a sentence ("it could run for ever: …"); None for others."""
    if len(pattern) > _LONGEST:
        return f"it has {len(pattern):,} characters; at most {_LONGEST:,} are read"
    try:
        _, place = _alternatives(pattern, 0, 0)
        if place != len(pattern):
            raise _Refused("its brackets do not match")
    except _Refused as error:
        return str(error)
    return None


def _alternatives(pattern: str, place: int, depth: int) -> tuple[_Part, int]:
    """The alternatives from `place` up to a closing bracket or the end."""
    if depth > _DEEPEST:
        raise _Refused(f"it is nested more than {_DEEPEST} deep")
    ways, own, worst, repeats = 0, 1, 0, 0
    while place < len(pattern) and pattern[place] != ")":
        if pattern[place] == "|":
            ways, own, worst, repeats = ways + own, 1, max(worst, repeats), 0
            place += 1
            continue
        flags = _FLAGS.match(pattern, place)
        if flags is not None:
            place = flags.end()
            continue
        part, place = _atom(pattern, place, depth)
        part, place = _quantified(pattern, place, part)
        own, repeats = own * part.ways, repeats + part.repeats
        if repeats > _MOST_REPEATS:
            raise _Refused(f"it could run for ever: more than {_MOST_REPEATS} endless repeats in a row")
        if ways + own > _MOST_WAYS:
            raise _Refused(f"it could run for ever: there are more than {_MOST_WAYS:,} ways to read a text")
    return _Part(max(worst, repeats), ways + own), place


def _atom(pattern: str, place: int, depth: int) -> tuple[_Part, int]:
    """One character, class or group at `place`, without what repeats it."""
    char = pattern[place]
    if char == "(":
        return _group(pattern, place, depth)
    if char == "[":
        return _Part(), _after_class(pattern, place)
    if char == "\\":
        escape = _ESCAPE.match(pattern, place)
        if escape is None:
            raise _Refused("it ends in a backslash")
        if escape[0][1] in _CONTROL:
            raise _Refused("it writes a control character that may hide what follows")
        if escape[0][1] in "kg" or escape[0][1] in "123456789":
            raise _Refused("it refers back to what it has read")
        # \R and \X stand for several characters, read in several ways.
        return _Part(ways=2 if escape[0][1] in "RX" else 1), escape.end()
    if char in "*+?":
        raise _Refused("it repeats nothing")
    return _Part(), place + 1


def _group(pattern: str, place: int, depth: int) -> tuple[_Part, int]:
    opened = _GROUP.match(pattern, place)
    assert opened is not None
    if opened[0] == "(?#":
        raise _Refused("it holds a comment")
    if opened[0] == "(" and pattern[place + 1 : place + 2] in ("?", "*"):
        raise _Refused(f'it holds a kind of group ("{pattern[place : place + 4]}") that is not read')
    part, place = _alternatives(pattern, opened.end(), depth + 1)
    if place >= len(pattern):
        raise _Refused("its brackets do not match")
    return part, place + 1


def _after_class(pattern: str, place: int) -> int:
    """The place behind a class, in which classes may stand."""
    depth = 0
    while place < len(pattern):
        char = pattern[place]
        if char == "\\":
            if pattern[place + 1 : place + 2] in _CONTROL:
                raise _Refused("it writes a control character that may hide what follows")
            place += 2
            continue
        if char == "[":
            depth += 1
            if pattern.startswith("^", place + 1):
                place += 1
            if pattern.startswith("]", place + 1):
                place += 1
        elif char == "]":
            depth -= 1
            if depth == 0:
                return place + 1
        place += 1
    raise _Refused("its brackets do not match")


def _quantified(pattern: str, place: int, part: _Part) -> tuple[_Part, int]:
    """The part with the repeats behind it."""
    found = False
    while place < len(pattern):
        count = _COUNT.match(pattern, place)
        if pattern[place] in "*+?":
            low, high, place = 0, 1 if pattern[place] == "?" else None, place + 1
        elif count is not None and (count[1] or count[3]):
            low = int(count[1] or 0)
            high = int(count[3]) if count[3] else None if count[2] else low
            place = count.end()
        else:
            return part, place
        many = high is None or high > _MANY
        if many and (part.ways > 1 or part.repeats or found):
            raise _Refused("it could run for ever: it repeats what can be read in several ways")
        if pattern[place : place + 1] in ("?", "+") and count is None:
            place += 1  # lazy or possessive
        part = _Part(1, 1) if many else _times(part, low, high or 0)
        found = True
    return part, place


def _times(part: _Part, low: int, high: int) -> _Part:
    """The part read from `low` to `high` times."""
    ways = sum(part.ways**times for times in range(low, high + 1))
    return _Part(part.repeats * high, max(ways, 1))
