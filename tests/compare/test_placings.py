"""What rows of unknown group could make of a change: bounds that no placing leaves, and the gate's answer."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from assay.compare.gate import gate
from assay.compare.pairing import pairing_of
from assay.compare.placings import placed_change
from assay.compare.scales import Merit
from tests.compare.two_runs import applicants, measured

SHARE, DISTANCE, FOLDED = Merit(1), Merit(-1, parity=0.0), Merit(1, folded=True)


def _tables(states: np.ndarray, group: np.ndarray, groups: int) -> list[np.ndarray]:
    return [
        np.bincount(states[group == g, 0] * 3 + states[group == g, 1], minlength=9).reshape(3, 3)
        for g in range(groups)
    ]


def _rates(states: np.ndarray, group: np.ndarray, g: int) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = states[group == g]
        return (rows == 0).sum(axis=0) / (rows < 2).sum(axis=0)


@pytest.mark.parametrize("alike", [True, False], ids=["same denominators", "others"])
@pytest.mark.parametrize(
    ("kind", "merit"),
    [("share", SHARE), ("share", DISTANCE), ("difference", DISTANCE), ("ratio", FOLDED)],
)
def test_no_placing_leaves_the_bounds(kind: str, merit: Merit, alike: bool) -> None:
    rng = np.random.default_rng(5)
    groups = 1 if kind == "share" else 2
    sharp = 0
    for _ in range(60):
        states = rng.integers(0, 2 if alike else 3, (14, 2))
        group = np.arange(14) % groups
        group[10:] = -1
        if any(
            (_tables(states, group, groups)[g].sum() - (states[group == g] == 2).all(axis=1).sum()) == 0
            for g in range(groups)
        ):
            continue
        unknown = _tables(states, np.where(group < 0, 0, -1), 1)[0]
        low, high = placed_change(_tables(states, group, groups), [unknown] * groups, kind, merit)
        found = []
        for way in product(range(-1, groups), repeat=4):
            placed = np.append(group[:10], way)
            one = _rates(states, placed, 0)
            values = one if groups == 1 else one - (other := _rates(states, placed, 1))
            if kind == "ratio":
                if (other == 0).any():
                    continue
                values = one / other
            if np.isfinite(values).all():
                found.append(merit.of(values[1]) - merit.of(values[0]))
        if found:
            assert low - 1e-12 <= min(found)
            assert max(found) <= high + 1e-12
            sharp += (low, high) == pytest.approx((min(found), max(found)))
    assert sharp >= 50 or not (alike and merit is SHARE)


def _runs(folder: Path, hidden: int, refused: bool):  # type: ignore[no-untyped-def]
    """Two runs of one file in which `hidden` women do not say their sex; the second refuses them."""
    columns, merit, female = applicants(2_000)
    hides = np.flatnonzero(female)[:hidden]
    said = np.array(columns["sex"], dtype=object)
    said[hides] = ""
    score = 1 / (1 + np.exp(-1.5 * merit))
    after = score.copy()
    if refused:
        after[hides] = 0.01
    columns = {**columns, "sex": said.tolist()}
    methods = ("fairness.group_rates",)
    return [measured(folder / name, columns, s, methods=methods) for name, s in (("a", score), ("b", after))]


def test_a_candidate_that_refuses_those_who_hide_their_group_does_not_go_through(tmp_path: Path) -> None:
    (before, first), (after, second) = _runs(tmp_path, 300, True)
    for pairing in (pairing_of(before, after, first, second), None):
        report = gate(before, after, pairing)
        assert report.exit_code == 3
        gap = next(c for c in report.comparisons if c.id == "fairness.selection_rate_difference")
        assert gap.reading == "insufficient"
        assert str(gap.interval_method).endswith("over all placings of unknown rows")


def test_a_few_unknown_rows_that_changed_leave_a_narrow_interval(tmp_path: Path) -> None:
    (before, first), (after, second) = _runs(tmp_path, 2, True)
    report = gate(before, after, pairing_of(before, after, first, second))
    gap = next(c for c in report.comparisons if c.id == "fairness.selection_rate_difference")
    assert gap.low is not None
    assert gap.high is not None
    assert gap.high - gap.low < 0.03
