"""What a draft's writer puts where: whole pages past the system's cache, all else through it."""

from __future__ import annotations

import fcntl
import mmap
import os
import random
from pathlib import Path

import pytest

from assay.sealing import Keyring
from models_registry.draft_files import DraftFile

PAGE = mmap.PAGESIZE
CONTENT = random.Random(0).randbytes(9 * PAGE + 100)


def room(shift: int) -> memoryview:
    """CONTENT in memory, `shift` bytes beyond the beginning of a page."""
    found = mmap.mmap(-1, len(CONTENT) + PAGE)
    found[shift : shift + len(CONTENT)] = CONTENT
    return memoryview(found)[shift : shift + len(CONTENT)]


@pytest.fixture
def draft(tmp_path: Path) -> DraftFile:
    return DraftFile(tmp_path / "draft", Keyring())


@pytest.mark.parametrize("shift", [0, 1, 512], ids=["pages", "odd", "sectors"])
@pytest.mark.parametrize(
    "cuts", [(), (PAGE,), (1, PAGE), (3 * PAGE + 7, 5 * PAGE)], ids=["whole", "page", "odd", "mixed"]
)
def test_bytes_lie_where_they_were_put(draft: DraftFile, shift: int, cuts: tuple[int, ...]) -> None:
    content = room(shift)
    with draft.writer() as writer:
        for start, end in zip((0, *cuts), (*cuts, len(content)), strict=True):
            writer.write(start, content[start:end])
        assert writer.size() == len(CONTENT)
    assert draft.path.read_bytes() == CONTENT


def test_whole_pages_pass_the_cache_where_the_file_system_lets_them(draft: DraftFile) -> None:
    trial = os.open(draft.path.parent / "trial", os.O_CREAT | os.O_WRONLY)
    try:
        fcntl.fcntl(trial, fcntl.F_SETFL, os.O_DIRECT)
    except OSError:
        pytest.skip(f"{draft.path.parent} lies on a file system without O_DIRECT")
    finally:
        os.close(trial)
    with draft.writer() as writer:
        for content, direct in ((room(0)[:PAGE], True), (room(0)[:10], False), (room(0)[: 2 * PAGE], True)):
            writer.write(0, content)
            assert bool(fcntl.fcntl(writer._descriptor, fcntl.F_GETFL) & os.O_DIRECT) == direct
