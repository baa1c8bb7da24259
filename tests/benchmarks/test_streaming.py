"""The streaming benchmark measures what it says: every row taken in, in a process of its own."""

from __future__ import annotations

from benchmarks import streaming


def test_every_length_and_format_is_measured() -> None:
    found = streaming.run(rows=(1_000, 3_000), formats=("csv", "parquet"))
    for kind in ("csv", "parquet"):
        assert [measured["rows"] for measured in found[kind]["measured"]] == [1_000, 3_000]
        assert all(0 < m["intake_peak_megabytes"] <= m["peak_megabytes"] for m in found[kind]["measured"])
        assert found[kind]["growth"] > 0
    assert found["csv"]["measured"][1]["hits"] == found["parquet"]["measured"][1]["hits"] > 0
