"""Files that are written and read past the system's cache hold what was put, whatever the pages and sizes."""

from __future__ import annotations

import fcntl
import mmap
import os
import random
from pathlib import Path

import pytest

from models_registry import straight_files
from models_registry.straight_files import StraightFile, StraightStream, pieces_straight

PAGE = mmap.PAGESIZE
CONTENT = random.Random(0).randbytes(9 * PAGE + 100)


@pytest.fixture(autouse=True)
def _small_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(straight_files, "_ROOM", 2 * PAGE)


def opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def room(shift: int) -> memoryview:
    """CONTENT in memory, `shift` bytes beyond the beginning of a page."""
    found = mmap.mmap(-1, len(CONTENT) + PAGE)
    found[shift : shift + len(CONTENT)] = CONTENT
    return memoryview(found)[shift : shift + len(CONTENT)]


@pytest.mark.parametrize("shift", [0, 1, 512], ids=["pages", "odd", "sectors"])
@pytest.mark.parametrize(
    "cuts", [(), (PAGE,), (1, PAGE), (3 * PAGE + 7, 5 * PAGE)], ids=["whole", "page", "odd", "mixed"]
)
def test_bytes_lie_where_they_were_put(tmp_path: Path, shift: int, cuts: tuple[int, ...]) -> None:
    content, descriptor = room(shift), opened(tmp_path / "f")
    file = StraightFile(descriptor)
    for start, end in zip((0, *cuts), (*cuts, len(content)), strict=True):
        file.put(start, content[start:end])
    os.close(descriptor)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_whole_pages_pass_the_cache_where_the_file_system_lets_them(tmp_path: Path) -> None:
    descriptor = opened(tmp_path / "f")
    if not straight_files._set_direct(descriptor, True):
        os.close(descriptor)
        pytest.skip(f"{tmp_path} lies on a file system without O_DIRECT")
    straight_files._set_direct(descriptor, False)
    file = StraightFile(descriptor)
    for content, direct in ((room(0)[:PAGE], True), (room(0)[:10], False), (room(0)[: 2 * PAGE], True)):
        file.put(0, content)
        assert bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT) == direct
    os.close(descriptor)


@pytest.mark.parametrize("size", [1, 999, PAGE, 3 * PAGE + 1, 100 * PAGE])
def test_a_stream_of_pieces_and_a_header_that_comes_last(tmp_path: Path, size: int) -> None:
    with StraightStream(opened(tmp_path / "f")) as file:
        file.write(bytes(100))
        for at in range(0, len(CONTENT), size):
            assert file.write(CONTENT[at : at + size]) == len(CONTENT[at : at + size])
        file.seek(0)
        file.write(b"head")
        assert file.seek(0, os.SEEK_END) == 100 + len(CONTENT)
        file.write(b"end")
    assert (tmp_path / "f").read_bytes() == b"head" + bytes(96) + CONTENT + b"end"


@pytest.mark.parametrize("size", [0, 1, PAGE, 2 * PAGE, 4 * PAGE, len(CONTENT)])
@pytest.mark.parametrize("start", [0, PAGE])
def test_pieces_are_the_content_from_there_on(tmp_path: Path, size: int, start: int) -> None:
    (tmp_path / "f").write_bytes(CONTENT[:size])
    assert b"".join(map(bytes, pieces_straight(tmp_path / "f", start))) == CONTENT[start:size]


def test_a_full_disk_is_told_and_the_descriptor_closed() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space left"), StraightStream(descriptor) as file:
        file.write(CONTENT)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
