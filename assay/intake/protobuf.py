"""Reading protobuf messages by a schema, strictly and within limits, before any library does.

What libraries tolerate is refused: a field that is not in the schema, a field of one value that stands twice,
groups, lengths that lie. So what was checked here is what the library will read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["BadProtobuf", "ProtobufReader", "Schema"]

Schema = Mapping[int, tuple[str, str]]
"""Field number -> (name, kind). Kinds: `int`, `float`, `bytes` (kept as a view), `text`, `skip` (any content,
not looked at), `ints`, `floats`, `doubles` (repeated, packed or not), or the name of another schema; `*`
before `bytes`, `text` or a schema's name means repeated."""

_WIRES = {"int": 0, "float": 5, "bytes": 2, "text": 2}
_ARRAYS: Mapping[str, tuple[int, str, int]] = {"floats": (5, "<f4", 4), "doubles": (1, "<f8", 8)}
_MAX_TEXT = 65_536
_FIRST_WINDOW, _LAST_WINDOW = 64, 1 << 16
"""Bytes looked at once in a run of numbers: few at first, so that many short runs cost little."""


class BadProtobuf(Exception):
    """What is wrong, as part of a sentence."""


class ProtobufReader:
    """Reads one message and all in it.

    Args:
        schemas: name -> schema.
        fields: most fields of all messages together.
        depth: most messages inside each other.
    """

    def __init__(self, schemas: Mapping[str, Schema], *, fields: int, depth: int) -> None:
        self._schemas = schemas
        self._left = fields
        self._depth = depth

    def read(self, data: memoryview, schema: str, depth: int = 0) -> dict[str, Any]:
        """Name -> value; repeated fields are lists, or arrays for `ints`, `floats` and `doubles`.

        Raises BadProtobuf.
        """
        if depth > self._depth:
            raise BadProtobuf(f"messages lie more than {self._depth} deep inside each other")
        fields = self._schemas[schema]
        found: dict[str, Any] = {}
        place, end = 0, len(data)
        while place < end:
            key, place = _varint(data, place)
            self._left -= 1
            if self._left < 0:
                raise BadProtobuf("it has more fields than are read")
            number, wire = key >> 3, key & 7
            if number not in fields:
                raise BadProtobuf(f"a {schema} has field {number}, which the format does not define")
            name, kind = fields[number]
            if kind in ("ints", "floats", "doubles"):
                place = self._numbers(data, place, key, kind, found.setdefault(name, []))
                continue
            value, place = _value(data, place, wire)
            repeated = kind.startswith("*")
            kind = kind.removeprefix("*")
            if kind != "skip" and wire != _WIRES.get(kind, 2):
                raise BadProtobuf(f"field {name} of a {schema} is of a wrong kind")
            if kind == "text":
                value = _text(value, name)
            elif kind in self._schemas:
                value = self.read(value, kind, depth + 1)
            if repeated:
                found.setdefault(name, []).append(value)
            elif kind != "skip":
                if name in found:
                    raise BadProtobuf(f"field {name} of a {schema} stands twice")
                found[name] = value
        for name, kind in fields.values():
            if kind in ("ints", "floats", "doubles") and name in found:
                found[name] = np.concatenate(found[name])
        return found

    def _numbers(
        self, data: memoryview, place: int, key: int, kind: str, found: list[npt.NDArray[Any]]
    ) -> int:
        """Take in a packed field, or a run of single ones; the place behind it."""
        wire = key & 7
        if wire == 2:
            value, place = _value(data, place, 2)
            found.append(_packed(value, kind))
            return place
        single, dtype, size = _ARRAYS.get(kind, (0, "", 0))
        if wire != single:
            raise BadProtobuf("repeated numbers are of a wrong kind")
        if kind == "ints":
            values, taken = _run_of_varints(data[place:], key)
            found.append(values)
            self._left -= len(values)
            return place + taken
        stride = size + 1
        count = _run_of_fixed(data[place:], key, size)
        whole = data[place : place + count * stride - 1]
        if len(whole) != count * stride - 1:
            raise BadProtobuf("it ends in the middle of a number")
        padded = np.frombuffer(bytes(whole) + b"\0", dtype=np.uint8).reshape(count, stride)
        found.append(np.ascontiguousarray(padded[:, :size]).view(dtype).reshape(-1))
        self._left -= count
        return place + len(whole)


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if place >= len(data):
            raise BadProtobuf("it ends in the middle of a number")
        byte = data[place]
        place += 1
        result |= (byte & 127) << shift
        if byte < 128:
            return result & (2**64 - 1), place
        shift += 7
        if shift > 63:
            raise BadProtobuf("a number has more than ten bytes")


def _value(data: memoryview, place: int, wire: int) -> tuple[Any, int]:
    if wire == 0:
        value, place = _varint(data, place)
        return (value - 2**64 if value >= 2**63 else value), place
    if wire == 2:
        length, place = _varint(data, place)
        stop = place + length
    elif wire in (1, 5):
        stop = place + (8 if wire == 1 else 4)
    else:
        raise BadProtobuf(f"a field has the unknown kind {wire}")
    if stop > len(data):
        raise BadProtobuf("a part claims to be longer than the file that it is in")
    return data[place:stop], stop


def _text(value: memoryview, name: str) -> str:
    if len(value) > _MAX_TEXT:
        raise BadProtobuf(f"a {name} has {len(value):,} bytes")
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        raise BadProtobuf(f"a {name} is not UTF-8") from None


def _packed(value: memoryview, kind: str) -> npt.NDArray[Any]:
    if kind == "ints":
        return _varints(np.frombuffer(value, dtype=np.uint8))
    _, dtype, size = _ARRAYS[kind]
    if len(value) % size:
        raise BadProtobuf("an array ends in the middle of a number")
    return np.frombuffer(value, dtype=dtype)


def _varints(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Every varint of `data`."""
    if not len(data):
        return np.zeros(0, dtype=np.int64)
    ends = np.flatnonzero(data < 128)
    if not len(ends) or ends[-1] != len(data) - 1:
        raise BadProtobuf("it ends in the middle of a number")
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (ends - starts >= 10).any():
        raise BadProtobuf("a number has more than ten bytes")
    place = np.arange(len(data)) - np.repeat(starts, ends - starts + 1)
    parts = (data & 127).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.asarray(np.bitwise_or.reduceat(parts, starts)).view(np.int64)


def _run_of_varints(data: memoryview, key: int) -> tuple[npt.NDArray[np.int64], int]:
    """The varint at the start of `data` and those after it, each behind the same tag; and the bytes taken."""
    parts: list[npt.NDArray[np.int64]] = []
    taken, width = 0, _FIRST_WINDOW
    while True:
        window = np.frombuffer(data[taken : taken + width], dtype=np.uint8)
        ends = np.flatnonzero(window < 128)
        if not len(ends):
            raise BadProtobuf("it ends in the middle of a number")
        # value, tag, value, tag, ...
        tags = ends[1::2]
        other = np.flatnonzero((window[tags] != key) | (tags - ends[0::2][: len(tags)] != 1))
        values = min(1 + (int(other[0]) if len(other) else len(tags)), len(ends[0::2]))
        last = int(ends[0::2][values - 1])
        keep = np.ones(last + 1, dtype=bool)
        keep[ends[1::2][: values - 1]] = False
        parts.append(_varints(window[: last + 1][keep]))
        taken += last + 1
        if taken >= len(data) or data[taken] != key:
            return np.concatenate(parts), taken
        taken, width = taken + 1, min(2 * width, _LAST_WINDOW)


def _run_of_fixed(data: memoryview, key: int, size: int) -> int:
    """How many numbers of `size` bytes stand at the start of `data`, each but the first behind `key`."""
    count, width, stride = 1, _FIRST_WINDOW, size + 1
    while True:
        tags = np.frombuffer(data[count * stride - 1 : count * stride - 1 + width * stride], np.uint8)[
            ::stride
        ]
        other = np.flatnonzero(tags != key)
        if len(other):
            return count + int(other[0])
        if len(tags) < width:
            return count + len(tags)
        count, width = count + len(tags), min(2 * width, _LAST_WINDOW)
