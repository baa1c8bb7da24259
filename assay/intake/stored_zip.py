"""Zip archives as torch writes them, read strictly: every member stored, none compressed.

Two readers of one archive may see different members where central directory and local headers disagree, names
repeat, or members overlap. All of that is refused here, so that what was checked is what is used. Nothing is
ever inflated, so that no archive is larger inside than outside.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.limits import MAX_DIRECTORY, MAX_MEMBERS

__all__ = ["Member", "StoredZip", "member_names", "under_one_root"]

_END, _END64, _LOCATOR, _CENTRAL, _LOCAL = (
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"PK\x01\x02",
    b"PK\x03\x04",
)
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_DESCRIPTOR, _UTF8 = 0x0008, 0x0800
_CHUNK = 1 << 22


class Member(NamedTuple):
    """What the central directory says of a file in the archive."""

    name: str
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    header: int
    """Where its local header begins."""


class _Malformed(Exception):
    """The archive is no zip, or one that no honest writer makes."""


class StoredZip:
    """An archive whose members were proven to be what the directory says; read with `read`.

    Args:
        shown: what messages call the file.

    Raises BadInput: compressed, encrypted, repeated, overlapping or damaged members, names that lead
    elsewhere, headers that disagree.
    """

    def __init__(self, path: Path, shown: str) -> None:
        self._path, self._shown = path, shown
        try:
            with path.open("rb") as file:
                members, start = _directory(file)
                self._places = self._checked(file, members, start)
        except _Malformed as problem:
            self._refuse(str(problem))
        except OSError as error:
            raise BadInput(f"{shown} cannot be read: {error.strerror or error}.") from None

    @property
    def sizes(self) -> Mapping[str, int]:
        """Name -> bytes of every member."""
        return {name: size for name, (_, size, _) in self._places.items()}

    def read(self, name: str, limit: int) -> bytes:
        """The content of a member. Raises BadInput: missing, larger than `limit`, another checksum."""
        if name not in self._places:
            self._refuse(f"it lacks {visible(name)}")
        place, size, checksum = self._places[name]
        if size > limit:
            self._refuse(f"its {visible(name)} has {size:,} bytes; at most {limit:,} are read")
        found = bytearray()
        with self._path.open("rb") as file:
            file.seek(place)
            while len(found) < size and (piece := file.read(min(_CHUNK, size - len(found)))):
                found += piece
        if len(found) != size or zlib.crc32(found) != checksum:
            self._refuse(f"its {visible(name)} is damaged (another checksum); save it again")
        return bytes(found)

    def _refuse(self, problem: str) -> NoReturn:
        raise BadInput(f"{self._shown} is not taken apart: {problem}.")

    def _checked(
        self, file: BinaryIO, members: list[Member], directory: int
    ) -> dict[str, tuple[int, int, int]]:
        places: dict[str, tuple[int, int, int]] = {}
        end = 0
        for member in sorted(members, key=lambda member: member.header):
            shown = visible(member.name[:80])
            _check_name(member.name)
            if member.name in places:
                raise _Malformed(f"the member {shown} stands in it twice")
            if member.method or member.packed != member.size:
                raise _Malformed(f"its {shown} is compressed, which torch never does; save it again")
            if member.flags & ~(_DESCRIPTOR | _UTF8):
                raise _Malformed(f"its {shown} is encrypted or has flags that torch never sets")
            if member.header < end:
                raise _Malformed(f"its {shown} overlaps another member")
            start = _local(file, member)
            end = start + member.size
            if end > directory:
                raise _Malformed(f"its {shown} reaches beyond the archive; it is cut short or lies")
            places[member.name] = (start, member.size, member.checksum)
        return places


def member_names(path: Path) -> frozenset[str]:
    """Names in the directory of a zip; empty for anything else, and for a directory that is too long."""
    try:
        with path.open("rb") as file:
            if file.read(4) != _LOCAL:
                return frozenset()
            return frozenset(member.name for member in _directory(file)[0])
    except (_Malformed, OSError):
        return frozenset()


def under_one_root(names: frozenset[str]) -> frozenset[str]:
    """The names below the one folder that torch puts everything in; empty where there is no such folder."""
    roots = {name.partition("/")[0] for name in names}
    if len(roots) != 1 or not all("/" in name for name in names):
        return frozenset()
    return frozenset(name.partition("/")[2] for name in names)


def _directory(file: BinaryIO) -> tuple[list[Member], int]:
    """Members in the order of the central directory, and where that begins."""
    count, size, start = _end_record(file)
    if count > MAX_MEMBERS or size > MAX_DIRECTORY:
        raise _Malformed(f"it has {count:,} members; at most {MAX_MEMBERS:,} are read")
    file.seek(start)
    content = file.read(size)
    if len(content) != size:
        raise _Malformed("it is cut short")
    found, place = [], 0
    for _ in range(count):
        member, place = _central(content, place)
        found.append(member)
    if place != size:
        raise _Malformed("its directory holds more than its members")
    return found, start


def _end_record(file: BinaryIO) -> tuple[int, int, int]:
    """Members, bytes of the directory, where it begins."""
    length = file.seek(0, 2)
    if length < 22:
        raise _Malformed("it is no zip archive")
    file.seek(length - 22)
    record = file.read(22)
    if record[:4] != _END or record[20:] != b"\0\0":
        raise _Malformed("it does not end as a zip archive ends; it is cut short or has bytes to spare")
    disk, first, here, count, size, start = struct.unpack("<4H2L", record[4:20])
    end = length - 22
    if length >= 42:
        file.seek(length - 42)
        locator = file.read(20)
        if locator[:4] == _LOCATOR:
            (end,) = struct.unpack("<Q", locator[8:16])
            if end > length - 98:
                raise _Malformed("its directory lies outside of it")
            file.seek(end)
            long = file.read(56)
            if long[:4] != _END64:
                raise _Malformed("its directory is damaged")
            more = struct.unpack("<2L4Q", long[16:56])
            for short, wide, full in (
                (here, more[2], _FULL16),
                (count, more[3], _FULL16),
                (size, more[4], _FULL32),
                (start, more[5], _FULL32),
            ):
                if short not in (wide, full):
                    raise _Malformed("its two directories disagree")
            disk, first, here, count, size, start = more
    if disk or first or here != count or start + size != end:
        raise _Malformed("its directory does not stand where a zip archive has it")
    return count, size, start


def _central(content: bytes, place: int) -> tuple[Member, int]:
    if content[place : place + 4] != _CENTRAL or place + 46 > len(content):
        raise _Malformed("its directory is damaged")
    (
        flags,
        method,
        _,
        _,
        checksum,
        packed,
        size,
        name_length,
        extra_length,
        comment_length,
        disk,
        _,
        _,
        header,
    ) = struct.unpack("<4H3L5H2L", content[place + 8 : place + 46])
    end = place + 46 + name_length + extra_length + comment_length
    if end > len(content) or disk or comment_length:
        raise _Malformed("its directory is damaged")
    raw = content[place + 46 : place + 46 + name_length]
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _Malformed("the name of a member is not UTF-8") from None
    wide = _wide(content[place + 46 + name_length : end])
    if size == _FULL32:
        size = next(wide, size)
    if packed == _FULL32:
        packed = next(wide, packed)
    if header == _FULL32:
        header = next(wide, header)
    return Member(name, flags, method, checksum, packed, size, header), end


def _wide(extra: bytes) -> Iterator[int]:
    """The 64-bit numbers of a zip64 field among the extra fields."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack("<2H", extra[place : place + 4])
        if kind == 1:
            for first in range(place + 4, min(place + 4 + length, len(extra)) - 7, 8):
                yield struct.unpack("<Q", extra[first : first + 8])[0]
        place += 4 + length


def _local(file: BinaryIO, member: Member) -> int:
    """Where a member's bytes begin. Raises where its local header says otherwise than the directory."""
    file.seek(member.header)
    head = file.read(30)
    shown = visible(member.name[:80])
    if len(head) != 30 or head[:4] != _LOCAL:
        raise _Malformed(f"its {shown} has no header of its own where the directory says")
    flags, method, _, _, checksum, packed, size, name_length, extra_length = struct.unpack(
        "<4H3L2H", head[6:]
    )
    name = file.read(name_length)
    deferred = bool(flags & _DESCRIPTOR) and (checksum, packed, size) == (0, 0, 0)
    same = deferred or (
        checksum == member.checksum and packed in (member.packed, _FULL32) and size in (member.size, _FULL32)
    )
    if name != member.name.encode() or flags != member.flags or method != member.method or not same:
        raise _Malformed(f"the directory and the member's own header disagree about {shown}")
    return int(member.header + 30 + name_length + extra_length)


def _check_name(name: str) -> None:
    shown = visible(name[:80])
    if not name or name.endswith("/") or len(name) > 512:
        raise _Malformed(f'the name "{shown}" is none that torch gives')
    parts = name.split("/")
    if (
        "\\" in name
        or "\0" in name
        or visible(name) != name
        or any(part in ("", ".", "..") for part in parts)
    ):
        raise _Malformed(f'the name "{shown}" leads out of the archive or hides something')
