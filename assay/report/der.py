"""Distinguished encoding rules (ITU-T X.690): just enough to write and take apart a seal.

Verification compares a seal byte for byte with what the sealer would have written, so both sides need
one encoder that leaves no choice, and a reader that accepts nothing but definite, shortest lengths.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "BIT_STRING",
    "INTEGER",
    "NULL",
    "OCTET_STRING",
    "SEQUENCE",
    "SET",
    "Element",
    "children",
    "context",
    "element",
    "encode",
    "object_identifier",
    "set_of",
]

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = b"\x05\x00"
SEQUENCE = 0x30
SET = 0x31


class Element(NamedTuple):
    """One tag-length-value; `raw` is all of it, `body` the value."""

    tag: int
    body: bytes
    raw: bytes


def context(number: int) -> int:
    """Tag of a constructed, context-specific element [number]."""
    return 0xA0 | number


def encode(tag: int, *parts: bytes) -> bytes:
    """Tag, shortest definite length, and the concatenated parts."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def set_of(tag: int, *parts: bytes) -> bytes:
    """A SET OF: parts in ascending order of their encodings (X.690, 11.6)."""
    return encode(tag, *sorted(parts))


def object_identifier(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    body = bytearray()
    for arc in (40 * first + second, *rest):
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.append(0x80 | (arc & 0x7F))
        body += bytes(reversed(digits))
    return encode(0x06, bytes(body))


def element(data: bytes, start: int = 0) -> tuple[Element, int]:
    """The element at `start` and the offset behind it.

    Raises:
        ValueError: multi-byte tag, indefinite or padded length, or an end beyond the data.
    """
    if start + 2 > len(data):
        raise ValueError("element cut short")
    tag, size = data[start], data[start + 1]
    if tag & 0x1F == 0x1F:
        raise ValueError("multi-byte tag")
    body = start + 2
    if size >= 0x80:
        width = size & 0x7F
        if not 1 <= width <= 4 or body + width > len(data):
            raise ValueError("length of no use")
        size = int.from_bytes(data[body : body + width], "big")
        if size < 0x80 or size.bit_length() <= 8 * (width - 1):
            raise ValueError("length not the shortest")
        body += width
    stop = body + size
    if stop > len(data):
        raise ValueError("element cut short")
    return Element(tag, data[body:stop], data[start:stop]), stop


def children(data: bytes) -> list[Element]:
    """All elements of a constructed value, which they must fill exactly. Raises ValueError."""
    found = []
    start = 0
    while start < len(data):
        part, start = element(data, start)
        found.append(part)
    return found
