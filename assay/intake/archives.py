"""Zip archives, held against limits before anything in them is unpacked.

What is refused: more members or a longer list of them than is held in memory, members that share bytes (a
few kilobytes that unpack to petabytes), sizes and ratios beyond the limits, names that lead out of a folder,
links and devices, encrypted members, the same name twice, packings other than deflate.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.limits import MAX_DIRECTORY, MAX_MEMBERS, MAX_RATIO, MAX_UNPACKED, RATIO_FROM

__all__ = ["checked_members", "open_archive", "read_member"]

_END = struct.Struct("<4s4H2LH")
_END_MAGIC, _END_64, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_LONGEST_COMMENT = 65_535
_LOCAL_HEADER = 30
_PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@contextmanager
def open_archive(path: Path, name: str, kind: str = "zip archive") -> Iterator[zipfile.ZipFile]:
    """The archive at `path`, whose list of members is of bounded size; damage found inside becomes BadInput.

    Args:
        name: how messages call it.
        kind: what it is said to be a damaged one of.

    Raises:
        BadInput: damaged, or more members than are read.
    """
    damaged = f"{name} is a damaged {kind}"
    try:
        with path.open("rb") as file:
            _check_directory(file, name)
            with zipfile.ZipFile(file) as archive:
                yield archive
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise BadInput(f"{damaged}: {visible(str(error)[:120]).rstrip('.')}.") from None
    except OSError as error:
        raise BadInput(f"{name} cannot be read: {error.strerror or damaged}.") from None


def checked_members(
    archive: zipfile.ZipFile, name: str, most: int = MAX_MEMBERS
) -> dict[str, zipfile.ZipInfo]:
    """Name -> member of every file in the archive; folders are left out.

    Raises:
        BadInput: names the member that is beyond a limit or no plain file, and what would be right.
    """
    listed = archive.infolist()
    if len(listed) > most:
        raise BadInput(f"{name} holds {len(listed):,} members; at most {most:,} are read.")
    found: dict[str, zipfile.ZipInfo] = {}
    for member in listed:
        _check_member(member, name)
        if member.filename in found:
            raise BadInput(f'{name} holds two members named "{visible(member.filename[:80])}".')
        found[member.filename] = member
    _check_places(archive, listed, name)
    packed, unpacked = sum(m.compress_size for m in listed), sum(m.file_size for m in listed)
    if unpacked > MAX_UNPACKED or (unpacked > RATIO_FROM and unpacked > MAX_RATIO * packed):
        raise BadInput(
            f"{name} unpacks to {unpacked / 2**30:,.1f} GB from {packed / 2**20:,.1f} MB; at most "
            f"{MAX_UNPACKED // 2**30} GB and {MAX_RATIO} times its size are read."
        )
    return {key: member for key, member in found.items() if not member.is_dir()}


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member's content, exactly as long as the list of members says.

    The library notices content that is longer or damaged, but not a packed stream that ends before.
    """
    with archive.open(member) as file:
        content = file.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise zipfile.BadZipFile(f"{member.filename[:60]} has another size than it says")
    return content


def _check_member(member: zipfile.ZipInfo, name: str) -> None:
    shown = visible(member.filename[:80])
    parts = PurePosixPath(member.filename).parts
    leads_out = member.filename.startswith("/") or ".." in parts or (parts and parts[0][1:2] == ":")
    # zipfile cuts names at a NUL; other readers may not, and would see another name.
    if not parts or leads_out or "\\" in member.orig_filename or "\0" in member.orig_filename:
        raise BadInput(f'{name} holds "{shown}", a name that leads out of its folder; pack it again.')
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadInput(f'{name} holds "{shown}", which is a link or no regular file; pack the file itself.')
    if member.flag_bits & 0x1:
        raise BadInput(f'{name} holds "{shown}", which is encrypted; pack it without a password.')
    if member.compress_type not in _PLAIN:
        raise BadInput(f'{name} holds "{shown}", packed in a way that is not read; use deflate or none.')


def _check_places(archive: zipfile.ZipFile, listed: list[zipfile.ZipInfo], name: str) -> None:
    """No two members share bytes, and none lies in the list of members."""
    end = 0
    for member in sorted(listed, key=lambda each: each.header_offset):
        if member.header_offset < end:
            raise BadInput(
                f'{name}: its members share bytes ("{visible(member.filename[:80])}"), as bombs do.'
            )
        end = member.header_offset + _LOCAL_HEADER + len(member.orig_filename) + member.compress_size
    if end > archive.start_dir:
        raise BadInput(f"{name}: its members reach into the list of members; the archive lies.")


def _check_directory(file: IO[bytes], name: str) -> None:
    """Raises BadInput where the list of members is longer than is held in memory.

    The library takes the length from the end record and reads it whole; the record is found here as there.
    """
    size = file.seek(0, 2)
    tail_at = max(0, size - _LONGEST_COMMENT - _END.size)
    file.seek(tail_at)
    tail = file.read(_LONGEST_COMMENT + _END.size)
    place = len(tail) - _END.size
    if place < 0 or not tail.startswith(_END_MAGIC, place) or tail[-2:] != b"\0\0":
        place = tail.rfind(_END_MAGIC)
    if place >= 0 and len(tail) - place >= _END.size:
        _, _, _, _, members, length, _, _ = _END.unpack_from(tail, place)
        at = tail_at + place - 20
        if at >= 0:
            file.seek(at)
            locator = file.read(20)
            if locator.startswith(_LOCATOR_64):
                file.seek(max(0, at - 56))
                record = file.read(56)
                if record.startswith(_END_64) and len(record) == 56:
                    members, length = struct.unpack_from("<QQ", record, 32)
        if members > MAX_MEMBERS or length > MAX_DIRECTORY:
            raise BadInput(
                f"{name} lists {members:,} members in {length:,} bytes; at most {MAX_MEMBERS:,} in "
                f"{MAX_DIRECTORY // 2**20} MB are read."
            )
    file.seek(0)
