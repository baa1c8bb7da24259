"""Rows that come in clusters widen the intervals; too few clusters settle nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay.engine import run_method
from assay.methods.fairness import sampling
from assay.methods.fairness.group_rates import METHOD
from tests.methods.fairness.measured import all_of, one
from tests.support import table_subject

PARAMS = {"replicates": 4_000}


def _clustered(persons: int, rows_each: int, seed: int = 0) -> dict[str, list[object]]:
    """Every row of a person has that person's decision: the rows of a person count as one."""
    rng = np.random.default_rng(seed)
    decision = rng.random(persons) < 0.4
    person = np.repeat(np.arange(persons), rows_each)
    return {
        "person": person.tolist(),
        "group": np.where(person % 2 == 0, "a", "b").tolist(),
        "p": decision[person].astype(int).tolist(),
        "y": (rng.random(len(person)) < 0.5).astype(int).tolist(),
    }


def _run(folder: Path, columns: dict[str, list[object]], cluster: str | None):
    subject = table_subject(
        folder,
        columns,
        label="y",
        predictions="p",
        favourable="1",
        sensitive=("group",),
        cluster=cluster,
    )
    return run_method(METHOD, subject, PARAMS)


def test_repeating_every_person_ten_times_adds_no_certainty(tmp_path: Path) -> None:
    single = _run(tmp_path, _clustered(400, 1), "person")
    tenfold = _run(tmp_path, _clustered(400, 10), "person")
    naive = _run(tmp_path, _clustered(400, 10), None)

    def width(result: object, name: str) -> float:
        measure = one(result, name, over="group")  # type: ignore[arg-type]
        assert measure.low is not None
        assert measure.high is not None
        return measure.high - measure.low

    for name in ("selection_rate_difference", "selection_rate_range"):
        assert width(tenfold, name) == pytest.approx(width(single, name), rel=0.1)
    ten = width(tenfold, "selection_rate_difference")
    assert ten > 2.5 * width(naive, "selection_rate_difference")
    assert any("400 clusters" in note for note in tenfold.notes)


@pytest.mark.parametrize(
    "clusters", [pytest.param(2_000, id="drawn singly"), pytest.param(9_000, id="added up")]
)
def test_the_bootstrap_of_single_row_clusters_agrees_with_the_normal_interval(
    tmp_path: Path, clusters: int
) -> None:
    columns = _clustered(clusters, 1)
    rate = one(_run(tmp_path, columns, "person"), "selection_rate", {"group": "a"})
    assert rate.value is not None
    assert rate.low is not None
    assert rate.high is not None
    error = 1.96 * (rate.value * (1 - rate.value) / (clusters / 2)) ** 0.5
    assert rate.value - rate.low == pytest.approx(error, rel=0.1)
    assert rate.high - rate.value == pytest.approx(error, rel=0.1)


def test_fewer_than_twenty_clusters_are_insufficient(tmp_path: Path) -> None:
    result = _run(tmp_path, _clustered(30, 20), "person")
    rate = one(result, "selection_rate", {"group": "a"})
    assert (rate.value, rate.status) == (None, "insufficient")
    assert rate.note == "only 15 clusters; a bootstrap of clusters needs at least 20"
    assert {m.status for m in all_of(result, "selection_rate_difference")} == {"insufficient"}
    assert not all_of(result, "selection_rate_range")


def test_a_rate_of_zero_keeps_a_width_and_claims_no_pair(tmp_path: Path) -> None:
    columns = _clustered(200, 3)
    columns["p"] = [0 if g == "a" else p for g, p in zip(columns["group"], columns["p"], strict=True)]
    result = _run(tmp_path, columns, "person")
    rate = one(result, "selection_rate", {"group": "a"})
    assert rate.value == 0
    # Wilson with each of the 100 clusters as one trial: z^2 / (n + z^2)
    assert rate.high == pytest.approx(1.959964**2 / (100 + 1.959964**2), abs=1e-6)
    pair = one(result, "selection_rate_difference")
    assert (pair.low, pair.high) == (None, None)
    assert "to bound it" in (pair.note or "")


def test_tests_that_shuffle_rows_are_not_applied_to_clusters(tmp_path: Path) -> None:
    result = _run(tmp_path, _clustered(400, 2), "person")
    assert one(result, "selection_rate_range_p_value").status == "not_applicable"
    assert not all_of(result, "impact_ratio_p_value")
    assert (one(result, "impact_ratio", {"group": "a"}).interval_method or "").startswith(
        ("cluster", "exact")
    )


def test_with_very_many_groups_clusters_are_drawn_fewer_times_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "_KEPT", 1_500 * 12 * 9)  # room for 1,500 replicates of 12 groups
    rng = np.random.default_rng(0)
    columns = {
        "person": list(range(600)) * 2,
        "group": [f"g{i}" for i in rng.integers(0, 12, 1_200)],
        "p": rng.integers(0, 2, 1_200).tolist(),
        "y": rng.integers(0, 2, 1_200).tolist(),
    }
    subject = table_subject(
        tmp_path,
        columns,
        label="y",
        predictions="p",
        favourable="1",
        sensitive=("group",),
        cluster="person",
    )
    result = run_method(METHOD, subject, PARAMS)
    rate = one(result, "selection_rate", {"group": "g0"})
    assert rate.interval_method == "cluster bootstrap 1,500"
