"""An audit hands over what was counted row by row, and registers the opening before it measures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay.annex import RunRows
from assay.contracts import (
    AnnexReference,
    AuditPlan,
    DataRequest,
    FileRequest,
    ModelRequest,
    Opening,
    Profile,
)
from assay.engine import AuditRequest, audit
from assay.evidence import measure_key
from assay.runner.supervisor import Supervisor
from tests.models.made import linear_folder, number, two_gaussians
from tests.support import write_csv


class Watching:
    """Records, and a listener that notes when what happened."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.rows: RunRows | None = None

    def planned(self, plan: AuditPlan, profile: Profile) -> None:
        self.seen.append("planned" if plan.opening is not None else "planned without opening")

    def progress(self, doing: str, done: float) -> None:
        if doing.startswith(("performance", "robustness")) and doing not in self.seen:
            self.seen.append(doing)

    def opened(self, profile: Profile, rows_sha256: str, plan_sha256: str) -> Opening:
        self.seen.append("opened")
        return Opening(rows_sha256=rows_sha256, number=1, standing="baseline", sentence="First.")

    def keep(self, rows: RunRows) -> AnnexReference:
        self.rows = rows
        return AnnexReference(digest="ab" * 32, rows=len(rows.identity), holds=())


def test_rows_are_opened_before_they_are_measured_and_kept_with_their_outcomes(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "test.csv", two_gaussians(300, 1))
    model = linear_folder(tmp_path / "model", [number("x1", mean=1.0), number("x2")], [2.0, 0.0])
    asked = DataRequest(
        test=FileRequest(path=str(data)),
        model=ModelRequest(path=str(model), device="cpu"),
        label="label",
        sensitive=("sex",),
    )
    request = AuditRequest(
        title="rows",
        command=("assay",),
        chosen=("performance.classification", "robustness.noise"),
        tier="quick",
    )
    watching = Watching()
    with Supervisor(asked) as supervisor:
        found = audit(request, supervisor, watching, watching)
    assert watching.seen[:2] == ["opened", "planned"]
    assert set(watching.seen[2:]) == {"performance.classification", "robustness.noise"}
    assert found.annex is not None
    assert watching.rows is not None
    measure = next(m for m in found.measures if m.id == "robustness.unperturbed_accuracy")
    counted = watching.rows.results[measure_key(measure)]
    assert counted.shape == (300,)
    assert np.mean(counted[counted >= 0]) == pytest.approx(measure.value)
