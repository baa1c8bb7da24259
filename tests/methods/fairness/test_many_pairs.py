"""Where not all pairs are listed, those that decide a verdict are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay.engine import run_method
from assay.methods.fairness.group_rates import METHOD
from tests.methods.fairness.measured import all_of
from tests.support import table_subject


@pytest.mark.parametrize("name", ["selection_rate_difference", "selection_rate_ratio"])
def test_the_extreme_bounds_are_listed_for_every_smallest_group(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(5)
    sizes = rng.integers(5, 120, 24)
    group = np.repeat([f"g{i:02}" for i in range(24)], sizes)
    p = (rng.random(len(group)) < np.repeat(rng.uniform(0.2, 0.7, 24), sizes)).astype(int)
    columns = {"group": group.tolist(), "p": p.tolist(), "y": (np.arange(len(group)) % 2).tolist()}
    subject = table_subject(
        tmp_path, columns, label="y", predictions="p", favourable="1", sensitive=("group",)
    )
    every = all_of(run_method(METHOD, subject, {"replicates": 1_000}), name)
    few_result = run_method(METHOD, subject, {"replicates": 1_000, "max_pairs": 10})
    few = all_of(few_result, name)
    assert len(every) == 24 * 23 // 2
    assert len(few) <= 4 * 24
    assert {m.family for m in few} == {len(every)}
    assert all(m in every for m in few)
    assert any("pairs a measure are not listed" in note for note in few_result.notes)

    rows = dict(zip(*np.unique(group, return_counts=True), strict=True))
    for smallest in sorted(set(sizes.tolist()))[:-2]:
        for bound in ("low", "high"):
            for extreme in (min, max):

                def bounds(measures: list, bound: str = bound, smallest: int = smallest) -> list[float]:
                    return [
                        np.inf if getattr(m, bound) is None else getattr(m, bound)
                        for m in measures
                        if min(rows[m.slice["group"]], rows[m.at["against"]]) >= smallest
                    ]

                assert extreme(bounds(few)) == extreme(bounds(every)), (smallest, bound)
