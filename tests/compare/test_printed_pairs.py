"""How `assay compare` and `assay gate` name pairs on the terminal."""

from __future__ import annotations

import pytest

from assay.commands.changes import print_comparisons
from assay.contracts import Comparison
from assay.terminal import Terminal


def test_both_sides_of_an_intersection_are_named_in_the_order_of_its_attributes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    entry = Comparison(
        id="fairness.selection_rate_difference",
        title="Gap",
        pillar="fairness",
        slice={"race": "White", "sex": "Female"},
        over="sex × race",
        at={"against": "Male, Black"},
        before=0.1,
        after=0.2,
        change=0.1,
        low=0.05,
        high=0.15,
        level=0.95,
        interval_method="unpaired, MOVER",
        tolerance=0.01,
        reading="worse",
        unit="difference",
        note="The groups changed sides.",
    )
    print_comparisons(Terminal(), [entry])
    printed = " ".join(capsys.readouterr().out.split())
    assert "Female, White −" in printed
    assert "changed sides" in printed
