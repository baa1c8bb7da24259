"""Quantiles of a stream: exact while it is short, never further off than they say, the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from assay.stats.quantile_sketch import QuantileSketch

SHARES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


def sketched(values: np.ndarray, batch: int = 10_007, kept: int = 4_096) -> QuantileSketch:
    sketch = QuantileSketch(kept)
    for first in range(0, len(values), batch):
        sketch.update(values[first : first + batch])
    return sketch


def test_few_values_are_exact() -> None:
    values = np.random.default_rng(1).permutation(4_000).astype(float)
    sketch = sketched(values, batch=7)
    assert sketch.error == 0
    assert sketch.quantiles((0.0, 0.25, 0.5, 1.0)) == (0.0, 999.0, 1_999.0, 3_999.0)
    assert QuantileSketch().quantiles(SHARES) == ()


@pytest.mark.parametrize("shape", ["rising", "falling", "shuffled", "lognormal", "few_values"])
def test_no_quantile_is_further_off_than_the_sketch_says(shape: str) -> None:
    n, rng = 1_000_000, np.random.default_rng(2)
    values = {
        "rising": np.arange(n, dtype=float),
        "falling": np.arange(n, dtype=float)[::-1],
        "shuffled": rng.permutation(n).astype(float),
        "lognormal": rng.lognormal(0, 3, n),
        "few_values": rng.integers(0, 4, n).astype(float),
    }[shape]
    sketch = sketched(values, kept=512)
    assert 0 < sketch.error < 0.02
    ordered = np.sort(values)
    for share, found in zip(SHARES, sketch.quantiles(SHARES), strict=True):
        below = np.searchsorted(ordered, found, side="left") / n
        up_to = np.searchsorted(ordered, found, side="right") / n
        assert below - sketch.error <= share <= up_to + sketch.error


def test_its_memory_does_not_grow_with_the_stream_and_its_error_hardly_does() -> None:
    rng = np.random.default_rng(3)
    sketch = QuantileSketch()
    for _ in range(100):
        sketch.update(rng.random(100_000))
    held = sum(len(level) for level in sketch._levels if level is not None) + sketch._waiting
    assert held <= 4_096 * 14
    assert sketch.error < 0.0015
    assert sketch.quantiles((0.5,))[0] == pytest.approx(0.5, abs=0.002)


def test_the_same_stream_gives_the_same_answer() -> None:
    values = np.random.default_rng(4).normal(size=300_000)
    assert sketched(values).quantiles(SHARES) == sketched(values).quantiles(SHARES)
