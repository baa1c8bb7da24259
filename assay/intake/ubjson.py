"""UBJSON as XGBoost writes it (Universal Binary JSON, draft 12), read without a library.

Only what its writer uses: objects without counts, lengths as int64, arrays of counted values or of numbers of
one type, big-endian. Nothing is allocated that the bytes at hand do not pay for.
"""

from __future__ import annotations

import struct
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

__all__ = ["MalformedUbjson", "read_ubjson"]

_MAX_DEPTH = 64
_NUMBERS: dict[bytes, np.dtype[Any]] = {
    b"i": np.dtype(">i1"),
    b"U": np.dtype(">u1"),
    b"I": np.dtype(">i2"),
    b"l": np.dtype(">i4"),
    b"L": np.dtype(">i8"),
    b"d": np.dtype(">f4"),
    b"D": np.dtype(">f8"),
}
_WORDS: dict[bytes, bool | None] = {b"T": True, b"F": False, b"Z": None}


class MalformedUbjson(ValueError):
    """What is wrong with the bytes, and where."""


def read_ubjson(content: bytes) -> Any:
    """The document: dicts, lists, strings, numbers; an array of one type of number is a NumPy array.

    Raises MalformedUbjson: cut short, something after the end, a key twice, nested too deep, or what XGBoost
    does not write.
    """
    reader = _Reader(content)
    found = reader.value(0)
    if reader.at != len(content):
        reader.refuse("something stands after its end")
    return found


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def refuse(self, why: str) -> NoReturn:
        raise MalformedUbjson(f"{why} (byte {self.at:,})")

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.content) - self.at:
            self.refuse("it ends too early, or claims a length that is not there")
        taken = self.content[self.at : self.at + count]
        self.at += count
        return taken

    def peek(self) -> bytes:
        return self.content[self.at : self.at + 1]

    def length(self) -> int:
        if self.take(1) != b"L":
            self.refuse("a length is no int64")
        return int(struct.unpack(">q", self.take(8))[0])

    def string(self) -> str:
        taken = self.take(self.length())
        try:
            return taken.decode()
        except UnicodeDecodeError:
            self.refuse("a string is not UTF-8")

    def value(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            self.refuse(f"it is nested deeper than {_MAX_DEPTH} levels")
        kind = self.take(1)
        if kind == b"{":
            return self.members(depth)
        if kind == b"[":
            return self.elements(depth)
        if kind == b"S":
            return self.string()
        if kind in _WORDS:
            return _WORDS[kind]
        if kind in _NUMBERS:
            number = _NUMBERS[kind]
            return np.frombuffer(self.take(number.itemsize), number)[0].item()
        return self.refuse("a value is of a kind that XGBoost does not write")

    def members(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.peek() != b"}":
            key = self.string()
            if key in found:
                self.refuse("a key stands twice in one object")
            found[key] = self.value(depth + 1)
        self.take(1)
        return found

    def elements(self, depth: int) -> list[Any] | npt.NDArray[Any]:
        if self.peek() == b"$":
            self.take(1)
            number = _NUMBERS.get(self.take(1))
            if number is None or self.take(1) != b"#":
                self.refuse("an array is of a kind that XGBoost does not write")
            taken = self.take(self.length() * number.itemsize)
            return np.frombuffer(taken, number).astype(number.newbyteorder("="))
        if self.take(1) != b"#":
            self.refuse("an array does not say how many values it has")
        count = self.length()
        if not 0 <= count <= len(self.content) - self.at:
            self.refuse("an array claims values that are not there")
        return [self.value(depth + 1) for _ in range(count)]
