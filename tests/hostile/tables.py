"""Tables that would swallow the memory, or that lie about what they hold."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile.case import Hostile

__all__ = ["CASES"]


def _text(content: bytes | Callable[[], bytes], name: str = "data.csv") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content() if callable(content) else content)
        return path

    return make


def _parquet(spoil: Callable[[bytearray], Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = folder / "data.parquet"
        pq.write_table(pa.table({"x": list(range(1_000)), "y": ["a", "b"] * 500}), path)
        content = bytearray(path.read_bytes())
        spoil(content)
        path.write_bytes(content)
        return path

    return make


def _claims(content: bytearray) -> None:
    """The footer's rows, 1,000 as a variable-length integer, become two billion."""
    length = struct.unpack_from("<I", content, len(content) - 8)[0]
    footer = bytes(content[-8 - length : -8]).replace(b"\xd0\x0f", b"\xfe\xff\xff\xff\x0f")
    content[-8 - length :] = footer + struct.pack("<I", len(footer)) + b"PAR1"


def _repeated(folder: Path) -> Path:
    """Half a megabyte: a dictionary of one value of 20 MB, and 200,000 rows that name it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    words = pa.DictionaryArray.from_arrays(pa.array([0] * 200_000, pa.int32()), pa.array(["x" * 20 * 2**20]))
    table = pa.table({"x": list(range(200_000)), "y": words})
    path = folder / "data.parquet"
    pq.write_table(table, path, compression="zstd", dictionary_pagesize_limit=2**30, store_schema=False)
    return path


def _long_text(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x": ["short", "x" * 3 * 2**20]}), folder / "data.parquet", compression="zstd")
    return folder / "data.parquet"


def _length(value: int) -> Callable[[bytearray], None]:
    return lambda content: struct.pack_into("<I", content, len(content) - 8, value)


def _nested_schema(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind: pa.DataType = pa.int8()
    for _ in range(60):
        kind = pa.list_(kind)
    pq.write_table(pa.table({"x": pa.array([None], kind)}), folder / "data.parquet")
    return folder / "data.parquet"


CASES = (
    Hostile(
        "a line of 3 MB", _text(lambda: b"a,b\n1," + b"x" * 3 * 2**20 + b"\n"), "longer than 2 MB", "data"
    ),
    Hostile("a header of 3 MB", _text(lambda: b"x" * 3 * 2**20), "longer than 2 MB", "data"),
    Hostile("a million columns", _text(lambda: b"a," * 1_000_000 + b"b\n1\n"), "columns", "data"),
    Hostile(
        "a quote that stays open",
        _text(lambda: b'a,b\n1,"x\n' + b"1,2\n" * 1_000),
        "quote that is never closed",
        "data",
    ),
    Hostile("a quote open over megabytes", _text(lambda: b'a,b\n1,"' + b"x\n" * 4 * 2**20), "quote", "data"),
    Hostile("a NUL", _text(b"a,b\n1,\0\n"), "NUL byte", "data"),
    Hostile("bytes that are no text", _text(b"a,b\n1,\xff\xfe\n"), "not UTF-8", "data"),
    Hostile("a program", _text(b"\x7fELF" + bytes(200)), "a program", "data"),
    Hostile("a script as a page", _text(b"<html><script>alert(1)</script>"), "an HTML page", "data"),
    Hostile(
        "XML of entities",
        _text(b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb">]>'),
        "an XML file",
        "data",
    ),
    Hostile("JSON nested deep", _text(b"[" * 1_000_000), ".", "data"),
    Hostile(
        "rows that widen",
        _text(lambda: b"a,b\n" + b"1," * 400_000 + b"\n"),
        "values where the header has",
        "data",
    ),
    Hostile("a Parquet of two billion rows", _parquet(_claims), "cannot be read|claims", "data"),
    Hostile("a Parquet with a footer of gigabytes", _parquet(_length(2**32 - 1)), "cannot be read", "data"),
    Hostile("a Parquet without a footer", _parquet(_length(0)), "cannot be read", "data"),
    Hostile(
        "a Parquet in pieces", _parquet(lambda c: c.__delitem__(slice(100, 600))), "cannot be read", "data"
    ),
    Hostile("a Parquet that repeats 20 MB", _repeated, "its limit is", "data"),
    Hostile("a Parquet with a text of 3 MB", _long_text, "holds a text of 3,145,728 bytes", "data"),
    Hostile("a Parquet of lists in lists", _nested_schema, "cannot be read|Assay reads numbers", "data"),
)
