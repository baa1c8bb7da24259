from __future__ import annotations

from benchmarks.latency import run


def test_harness_and_bare_loop_time_the_same_call() -> None:
    found = run(turns=4, calls=100)
    assert found["calls"] == 400
    assert 0.5 < found["p50_ratio"] < 2
    assert found["p99_spread"] >= 1
    assert found["p99_ms"] >= found["p50_ms"]
