"""The storing benchmark sends a real file to a real server: at once, in chunks, sealed."""

from __future__ import annotations

from benchmarks import storing


def test_a_file_arrives_whole_in_every_way() -> None:
    found = storing.run(megabytes=70, times=1)  # a whole chunk and a shorter one, over one connection
    for way in storing.WAYS:
        assert found[f"{way}_mb_s"] > 0
        assert 0 < found[f"{way}_share"] < 10
        assert found[f"{way}_grown_mb"] < 100
