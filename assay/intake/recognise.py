"""What a file is, by its content and never by its name."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Literal, NamedTuple

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.limits import MAX_DIRECTORY

__all__ = ["FileKind", "foreign_file", "recognise"]

_PEEK = 65_536


class FileKind(NamedTuple):
    """`text` is comma-, tab-, semicolon- or bar-separated, `jsonl` one JSON object a line; `gzip` says
    whether it is compressed. `zip` is an archive of images."""

    format: Literal["text", "jsonl", "parquet", "npz", "zip"]
    gzip: bool


_CSV = "Save it as CSV or Parquet."
_REFUSED: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", "Export the sheet as CSV."),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _CSV),
    (b"\x93NUMPY", "a NumPy array", _CSV),
    (b"ARROW1", "an Arrow or Feather file", "Save it as Parquet."),
    (b"SQLite format 3\x00", "an SQLite database", "Export the table as CSV."),
    (b"%PDF-", "a PDF", _CSV),
    (b"\x1f\x8b", "a gzip file", "Unpack it first."),
    (b"BZh", "a bzip2 archive", "Unpack it, or compress it with gzip."),
    (b"\xfd7zXZ\x00", "an xz archive", "Unpack it, or compress it with gzip."),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "Unpack it, or compress it with gzip."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it first."),
    (b"Rar!\x1a\x07", "a RAR archive", "Unpack it first."),
    (b"\x7fELF", "a program", _CSV),
    (b"MZ\x90\x00", "a program", _CSV),
    (b"\x00\x00\xfe\xff", "text in UTF-32", "Save it as UTF-8."),
    (b"\xff\xfe", "text in UTF-16", "Save it as UTF-8."),
    (b"\xfe\xff", "text in UTF-16", "Save it as UTF-8."),
)
_JSON_STARTS = (b"[{", b"[[", b'["', b"[]")
_OBJECT_STARTS = (b'{"', b"{}")
_IMAGE_ENDS = (b".png", b".jpg", b".jpeg")


def recognise(path: Path) -> FileKind:
    """Tell what the file at `path` is from its first bytes.

    Raises BadInput, naming what it seems to be and the way out, for anything but delimited text (gzip too),
    Parquet and .npz; also for a missing, unreadable or empty file and for a folder.
    """
    name = visible(path.name)
    if path.is_dir():
        raise BadInput(
            f"{name} is a folder; name the file in it. (A folder of images has a subfolder for each class, "
            "with PNG or JPEG files.)"
        )
    if path.exists() and not path.is_file():
        raise BadInput(f"{name} is no regular file; save the table in one.")
    try:
        with path.open("rb") as file:
            head = file.read(_PEEK)
    except FileNotFoundError:
        raise BadInput(f"There is no file {name}.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path is malformed"
        raise BadInput(f"{name} cannot be read: {reason}.") from None
    if not head:
        raise BadInput(f"{name} is empty.")
    if head.startswith(b"PAR1"):
        return FileKind("parquet", gzip=False)
    if _is_npz(head):
        return FileKind("npz", gzip=False)
    if holds_images(path, head):
        return FileKind("zip", gzip=False)
    if not head.startswith(b"\x1f\x8b"):
        _refuse_foreign(name, head)
        return FileKind(_text_format(head), gzip=False)
    inner = _first_bytes_inside(name, head)
    if not inner:
        raise BadInput(f"{name} is a gzip file with nothing in it.")
    if inner.startswith(b"PAR1"):
        raise BadInput(f"{name} is a gzipped Parquet file; Parquet compresses itself: unpack it first.")
    _refuse_foreign(name, inner, inside="a gzip file that holds ")
    return FileKind(_text_format(inner), gzip=True)


def holds_images(path: Path, head: bytes) -> bool:
    """Whether the file is a zip with a PNG or JPEG in it, by the list of members at its end."""
    if not head.startswith(b"PK\x03\x04") and not head.startswith(b"PK\x05\x06"):
        return False
    if b"[Content_Types].xml" in head:
        return False  # an office document, which may have pictures in it
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - MAX_DIRECTORY))
        tail = file.read(MAX_DIRECTORY)
    return any(ending in tail[tail.find(b"PK\x01\x02") :].lower() for ending in _IMAGE_ENDS)


def _text_format(head: bytes) -> Literal["text", "jsonl"]:
    start = b"".join(head.removeprefix(b"\xef\xbb\xbf")[:64].split())
    return "jsonl" if start.startswith(_OBJECT_STARTS) else "text"


def _is_npz(head: bytes) -> bool:
    """A zip whose first member is an array."""
    length = int.from_bytes(head[26:28], "little")
    return head.startswith(b"PK\x03\x04") and head[30 : 30 + length].endswith(b".npy")


def _first_bytes_inside(name: str, head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _PEEK)
    except zlib.error:
        raise BadInput(f"{name} starts like a gzip file but is damaged.") from None


def _refuse_foreign(name: str, head: bytes, inside: str = "") -> None:
    what = _foreign(head)
    if what is not None:
        raise BadInput(f"{name} is {inside}{what[0]}, not a table Assay reads. {what[1]}")


def foreign_file(head: bytes) -> str | None:
    """What a file that starts with `head` seems to be; None for what may be a table."""
    found = _foreign(head)
    return None if found is None else found[0]


def _foreign(head: bytes) -> tuple[str, str] | None:
    for magic, what, way_out in _REFUSED:
        if head.startswith(magic):
            return what, way_out
    if head.startswith(b"PK\x03\x04"):
        if b"[Content_Types].xml" in head or b"xl/" in head:
            return "an Excel workbook", "Export the sheet as CSV."
        return "a zip archive", (
            "Unpack it and name the table in it. (An archive of images has a folder for each class, with "
            "PNG or JPEG files.)"
        )
    if head[:1] == b"\x80" and len(head) > 1 and head[1] <= 5:
        return "a Python pickle, which can run code when opened", _CSV
    if head[257:262] == b"ustar":
        return "a tar archive", "Unpack it and name the table in it."
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    lowered = text[:16].lower()
    if lowered.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        return "an HTML page", "Download the table itself, as CSV or Parquet."
    if lowered.startswith(b"<?xml"):
        return "an XML file", _CSV
    if b"".join(text[:64].split()).startswith(_JSON_STARTS):
        return "a JSON array", (
            "Write one object a line (JSON Lines): jq -c '.[]' FILE > rows.jsonl, or "
            'pandas\' to_json(…, orient="records", lines=True).'
        )
    return None
