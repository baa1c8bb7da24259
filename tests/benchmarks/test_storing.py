"""The storing benchmark sends a real file to a real server: in memory, on the disk, in the clear, sealed."""

from __future__ import annotations

from benchmarks import storing


def test_a_file_arrives_whole_in_every_place() -> None:
    found = storing.run(megabytes=40, times=1)  # whole chunks and a shorter one, over one connection
    for place in ("memory", "disk") if storing.MEMORY.is_dir() else ("disk",):
        for way in ("stored", "sealed"):
            assert found[place][f"{way}_mb_s"] > 0
            assert 0 < found[place][f"{way}_share"] < 10
            assert found[place][f"{way}_grown_mb"] < 100
