"""Zip archives with a lie in them, made byte by byte from honest ones."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Iterable, Mapping

__all__ = ["SIGNATURES", "edited", "members", "renamed_locally", "resized_centrally", "zipped"]

SIGNATURES = {"local": b"PK\x03\x04", "central": b"PK\x01\x02"}


def zipped(content: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive with these members, in order; a name may stand twice."""
    sink = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(sink, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, data in content:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return sink.getvalue()


def members(archive: bytes) -> dict[str, bytes]:
    """Name -> content of an honest archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as found:
        return {name: found.read(name) for name in found.namelist()}


def edited(archive: bytes, changes: Mapping[str, bytes | None]) -> bytes:
    """The archive with members replaced, added or (None) left out; `*` stands for its one folder."""
    kept = members(archive)
    root = next(iter(kept)).partition("/")[0]
    for name, content in changes.items():
        full = name.replace("*", root, 1)
        if content is None:
            del kept[full]
        else:
            kept[full] = content
    return zipped(kept.items())


def renamed_locally(archive: bytes, name: bytes, other: bytes) -> bytes:
    """The first local header of `name` says `other` (of the same length); the directory stays."""
    assert len(name) == len(other)
    place = archive.index(name)
    assert archive.rindex(SIGNATURES["local"], 0, place) > place - 64, "a header stands before it"
    return archive[:place] + other + archive[place + len(name) :]


def resized_centrally(archive: bytes, name: bytes, size: int) -> bytes:
    """The directory says another size of `name`; its local header stays."""
    place = archive.rindex(SIGNATURES["central"], 0, archive.rindex(name))
    return archive[: place + 20] + struct.pack("<LL", size, size) + archive[place + 28 :]
