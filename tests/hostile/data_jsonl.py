"""JSON Lines that nest, lie, repeat themselves or never end."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

from tests.hostile.case import Hostile

__all__ = ["CASES"]


def _file(content: bytes, name: str = "rows.jsonl") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return make


def _case(name: str, content: bytes, says: str) -> Hostile:
    return Hostile(name, _file(b'{"a": 1}\n' + content + b"\n"), says, "data")


def _wide(folder: Path) -> Path:
    path = folder / "rows.jsonl"
    with path.open("w") as file:
        for row in range(11_000):
            file.write(f'{{"k{row}": 1}}\n')
    return path


def _bomb(folder: Path) -> Path:
    path = folder / "rows.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b'{"a": 1}\n')
        for _ in range(300):
            file.write(b"\n" * 2**20)
    return path


CASES: tuple[Hostile, ...] = (
    _case("a hundred thousand arrays in one another", b'{"a": ' + b"[" * 100_000, "line 2"),
    _case("a hundred thousand objects in one another", b'{"a":' * 100_000, "line 2"),
    _case("an object inside", b'{"a": {"__class__": "os.system"}}', "objects and arrays"),
    _case("the same key twice", b'{"a": 1, "a": 2}', 'the key "a" twice'),
    _case("keys that differ in case", b'{"A": 2}', "upper and lower case alone"),
    _case("NaN", b'{"a": NaN}', "NaN is no JSON"),
    _case("Infinity", b'{"a": Infinity}', "Infinity is no JSON"),
    _case("a number of a million digits", b'{"a": ' + b"9" * 1_000_000 + b"}", "Exceeds the limit"),
    _case("half a surrogate pair", b'{"a": "\\udc80"}', "half a character"),
    _case("bytes that are no UTF-8", b'{"a": "\xff"}', "not UTF-8"),
    _case("a NUL byte", b'{"a": "\0"}', "NUL byte"),
    _case("a line of three megabytes", b'{"a": "' + b"x" * 3_000_000 + b'"}', "longer than 2 MB"),
    _case("two objects in a line and half a one", b'{"a": 1}, {"a": 2}\n{"a": 3', "line 2"),
    Hostile("an array of objects", _file(b'[{"a": 1}, {"a": 2}]'), "JSON array", "data"),
    Hostile("more keys than a table has columns", _wide, "more than 10,000 different keys", "data"),
    Hostile(
        "a gzip bomb of empty lines",
        _bomb,
        "unpacks to more than 200 times its size",
        "data",
    ),
)
