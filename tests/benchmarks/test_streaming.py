"""The streaming benchmark measures what it says: every row taken in, in a process of its own."""

from __future__ import annotations

from benchmarks import streaming


def test_every_length_and_format_is_measured() -> None:
    found = streaming.run(rows=(1_000, 3_000))
    for kind in streaming.FORMATS:
        assert [measured["rows"] for measured in found[kind]["measured"]] == [1_000, 3_000]
        assert all(0 < m["intake_peak_megabytes"] <= m["peak_megabytes"] for m in found[kind]["measured"])
        assert found[kind]["growth"] > 0
    hits = {kind: measured["measured"][1]["hits"] for kind, measured in found.items()}
    assert len(set(hits.values())) == 1
    assert min(hits.values()) > 0
