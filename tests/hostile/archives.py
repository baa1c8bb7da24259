"""Archives that unpack to more than there is, that lead out of their folder, or that lie about themselves."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile.case import Hostile

__all__ = ["CASES"]


def _array(shape: str = "(3, 4, 4)", size: int = 48, kind: str = "|u1") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (64 - (len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(size)


def _npz(fill: Callable[[zipfile.ZipFile], Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "data.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            fill(archive)
        return path

    return make


def _one(content: bytes) -> Callable[[Path], Path]:
    return _npz(lambda archive: archive.writestr("images.npy", content))


def _named(name: str) -> Callable[[Path], Path]:
    def fill(archive: zipfile.ZipFile) -> None:
        archive.writestr("images.npy", _array())
        archive.writestr(name, b"x")

    return _npz(fill)


def _link(archive: zipfile.ZipFile) -> None:
    archive.writestr("images.npy", _array())
    member = zipfile.ZipInfo("labels.npy")
    member.external_attr = 0o120777 << 16
    archive.writestr(member, "/etc/passwd")


def _bomb(folder: Path) -> Path:
    """300 GB of zeros behind 300 KB: one member whose packed bytes say so, and whose header does too."""
    path = folder / "data.npz"
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(_array("(300, 1000, 1000)", 300_000_000)) + packer.flush()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("images.npy", packed)
    content = bytearray(path.read_bytes())
    for magic, method, size in ((b"PK\x03\x04", 8, 22), (b"PK\x01\x02", 10, 24)):
        place = content.index(magic)
        struct.pack_into("<H", content, place + method, zipfile.ZIP_DEFLATED)
        struct.pack_into("<L", content, place + size, 300_000_000 + 128)
    path.write_bytes(content)
    return path


def _overlapping(folder: Path) -> Path:
    """Every member of the list is the same bytes of the file."""
    path = folder / "data.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", _array(size=10_000))
    content = path.read_bytes()
    start = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    entry = content[start:end]
    entries = b"".join(entry.replace(b"images.npy", f"imag{n:02}.npy".encode()) for n in range(50))
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 50, 50, len(entries), start, 0)
    path.write_bytes(content[:start] + entries + tail)
    return path


def _crowded(folder: Path) -> Path:
    """A list of half a million members."""
    path = folder / "data.npz"
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 0, 0, 0, 0, 5, 0) + b"a.npy"
    entry = (
        struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0) + b"a.npy"
    )
    entries = entry * 500_000
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65_535, 65_535, len(entries), len(local), 0)
    path.write_bytes(local + entries + tail)
    return path


def _encrypted(folder: Path) -> Path:
    path = _one(_array())(folder)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x03\x04") + 6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    return path


def _nested(folder: Path) -> Path:
    inner = bytes(1_000_000)
    for _ in range(5):
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            for copy in range(10):
                archive.writestr(f"{copy}.zip", inner)
        inner = sink.getvalue()
    path = folder / "data.zip"
    path.write_bytes(inner)
    return path


def _gzip_bomb(depth: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        packer = zlib.compressobj(9, wbits=31)
        line = (b"1,2\n" * 2**18) * 8
        content = b"".join(
            [packer.compress(b"a,b\n"), *(packer.compress(line) for _ in range(10)), packer.flush()]
        )
        for _ in range(depth - 1):
            content = gzip.compress(content)
        path = folder / "data.csv.gz"
        path.write_bytes(content)
        return path

    return make


CASES = (
    Hostile("300 MB from 300 KB", _bomb, "unpacks to 0.3 GB from 0.3 MB", "data"),
    Hostile("members that share bytes", _overlapping, "share bytes", "data"),
    Hostile("half a million members", _crowded, "members", "data"),
    Hostile("half a million members, as a model", _crowded, "far too many members"),
    Hostile("zips in zips", _nested, "a zip archive", "data"),
    Hostile("zips in zips, as a model", _nested, "a zip archive"),
    Hostile("a gzip that unpacks to a lot", _gzip_bomb(1), "times its size", "data"),
    Hostile("a gzip in a gzip", _gzip_bomb(2), "a gzip file that holds a gzip file", "data"),
    Hostile("a name that leads out", _named("../../evil.npy"), "leads out", "data"),
    Hostile("a name from the root", _named("/etc/evil.npy"), "leads out", "data"),
    Hostile("a name with a drive", _named("C:evil.npy"), "leads out", "data"),
    Hostile("a name with backslashes", _named("..\\evil.npy"), "leads out|no array", "data"),
    Hostile("a link", _npz(_link), "is a link", "data"),
    Hostile("a program among arrays", _named("evil.exe"), "no array", "data"),
    Hostile("encrypted", _encrypted, "encrypted", "data"),
    Hostile("a shape of exabytes", _one(_array("(1000000000, 1000000, 1000)")), "do not fill", "data"),
    Hostile("a shape below nothing", _one(_array("(-1, 4, 4)")), "do not fill|damaged|no images", "data"),
    Hostile("a shape that is code", _one(_array("__import__('os').mkdir('RAN')")), "damaged", "data"),
    Hostile("objects", _one(_array(kind="|O")), "Python objects", "data"),
    Hostile(
        "a header that never ends",
        _one(b"\x93NUMPY\x02\x00" + struct.pack("<L", 2**31) + b"("),
        "damaged|cut short",
        "data",
    ),
    Hostile("a header nested deep", _one(_array("(" * 2_000 + ")" * 2_000)), "damaged", "data"),
)
