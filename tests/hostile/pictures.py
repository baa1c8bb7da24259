"""Pictures that are small on the disk and gigabytes in memory."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.hostile.case import Hostile
from tests.hostile.payload import pickled

__all__ = ["CASES"]


def _png(width: int, height: int, *, rows: int = 0, extra: bytes = b"") -> bytes:
    """A PNG that claims a size, with some rows of zeros behind it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(9)
    line = bytes(3 * width + 1) if rows else b""
    data = b"".join([*(packer.compress(line) for _ in range(rows)), packer.flush()])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _text_chunk() -> bytes:
    content = b"Comment\0\0" + zlib.compress(bytes(200 * 2**20), 9)
    return (
        struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))
    )


def _jpeg(width: int, height: int) -> bytes:
    from PIL import Image

    sink = io.BytesIO()
    Image.new("L", (8, 8)).save(sink, "JPEG")
    content = bytearray(sink.getvalue())
    place = content.index(b"\xff\xc0")
    struct.pack_into(">HH", content, place + 5, height, width)
    return bytes(content)


def _folder(name: str, content: Callable[[Path], bytes]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        place = folder / "pictures" / "cat"
        place.mkdir(parents=True)
        (place / name).write_bytes(content(folder))
        return folder / "pictures"

    return make


def _second(content: Callable[[Path], bytes]) -> Callable[[Path], Path]:
    """Behind a sound picture, so that the folder is taken for one of images."""

    def make(folder: Path) -> Path:
        made = _folder("b.png", content)(folder)
        (made / "cat" / "a.png").write_bytes(_png(2, 2, rows=2))
        return made

    return make


CASES = (
    Hostile("a PNG of gigabytes", _folder("a.png", lambda _: _png(60_000, 60_000)), "pixels", "data"),
    Hostile(
        "a PNG of exabytes", _folder("a.png", lambda _: _png(2**31 - 1, 2**31 - 1)), "pixels|damaged", "data"
    ),
    Hostile("a PNG of no height", _folder("a.png", lambda _: _png(5, 0)), "damaged", "data"),
    Hostile(
        "a PNG that is wide", _folder("a.png", lambda _: _png(100_000, 1, rows=1)), "at most 4,096", "data"
    ),
    Hostile(
        "a PNG with 200 MB of comment",
        _folder("a.png", lambda _: _png(4, 4, rows=4, extra=_text_chunk())),
        "damaged",
        "data",
    ),
    Hostile("a JPEG of gigabytes", _folder("a.jpg", lambda _: _jpeg(65_000, 65_000)), "pixels", "data"),
    Hostile("a pickle behind a picture", _second(pickled), "neither PNG nor JPEG", "data"),
    Hostile(
        "a PostScript called PNG",
        _second(lambda _: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        "neither PNG nor JPEG",
        "data",
    ),
    Hostile("a magic and no more", _folder("a.png", lambda _: b"\x89PNG\r\n\x1a\n"), "damaged", "data"),
    Hostile(
        "a name of control characters",
        _second(lambda _: _png(3, 3, rows=3)),
        "all must have one size",
        "data",
    ),
)
