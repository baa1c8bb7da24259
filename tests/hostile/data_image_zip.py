"""Archives of pictures that are bombs, lead out of their folder, link elsewhere or bring something else."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.hostile.case import Hostile

__all__ = ["CASES"]


def _png(width: int, height: int) -> bytes:
    """A black grey PNG of any size, in a few bytes for each thousand rows."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(min(height, 50)))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", rows + packer.flush())
        + chunk(b"IEND", b"")
    )


_SMALL = _png(4, 4)


def _zip(change: Callable[[zipfile.ZipFile], None]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "pictures.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("cat/0.png", _SMALL)
            archive.writestr("dog/0.png", _SMALL)
            change(archive)
        return path

    return make


def _with(name: str, content: bytes, kind: int = 0) -> Callable[[Path], Path]:
    member = zipfile.ZipInfo(name)
    member.external_attr = (kind | 0o644) << 16
    member.compress_type = zipfile.ZIP_DEFLATED
    return _zip(lambda archive: archive.writestr(member, content))


def _many(folder: Path) -> Path:
    path = folder / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20_100):
            archive.writestr(f"cat/{number}.png", b"")
    return path


def _bomb(archive: zipfile.ZipFile) -> None:
    with archive.open("cat/1.png", "w", force_zip64=True) as file:
        for _ in range(300):
            file.write(bytes(2**20))


def _lying(by: int) -> Callable[[Path], Path]:
    """A member that says that it unpacks to `by` bytes more than it does."""

    def make(folder: Path) -> Path:
        content = io.BytesIO()
        size = len(_SMALL) + 10_000_000
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("cat/0.png", _SMALL + bytes(10_000_000))
            archive.writestr("dog/0.png", _SMALL)
        path = folder / "pictures.zip"
        path.write_bytes(content.getvalue().replace(struct.pack("<I", size), struct.pack("<I", size + by)))
        return path

    return make


CASES: tuple[Hostile, ...] = tuple(
    Hostile(name, make, says, "data")
    for name, make, says in (
        ("a name that leads out of the folder", _with("../RAN.png", _SMALL), "leads out of its folder"),
        ("an absolute name", _with("/tmp/RAN.png", _SMALL), "leads out of its folder"),
        ("a name with backslashes", _with("cat\\..\\RAN.png", _SMALL), "leads out of its folder"),
        ("a link", _with("cat/1.png", b"/etc/passwd", stat.S_IFLNK), "link or no regular file"),
        ("a device", _with("cat/1.png", b"", stat.S_IFCHR), "link or no regular file"),
        ("a bomb of zeros", _zip(_bomb), "times its size are read"),
        ("more members than are read", _many, "members"),
        ("a member that unpacks to more than it says", _lying(-10_000_000), "damaged"),
        ("a member that unpacks to less than it says", _lying(1_000), "has another size than it says"),
        ("a picture of 60,000 pixels a side", _with("cat/1.png", _png(60_000, 60_000)), "exceeds limit of"),
        ("a pickle called PNG", _with("cat/1.png", b"\x80\x04cos\nsystem\n."), "neither PNG nor JPEG"),
        ("a script called PNG", _with("cat/1.png", b"#!/bin/sh\ntouch RAN\n"), "neither PNG nor JPEG"),
        ("names that differ in case", _with("CAT/1.png", _SMALL), "upper and lower case alone"),
        ("an archive in the archive", _with("cat/1.png", b"PK\x03\x04" + bytes(30)), "neither PNG nor JPEG"),
        ("folders in classes", _with("cat/deep/1.png", _SMALL), "a folder within a class"),
    )
)
