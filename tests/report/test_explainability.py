"""The chapters on explanations: bars with intervals, the deletion curve, and the answer in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.report.charts import draw
from tests.models.made import linear_folder, model_subject, number, two_gaussians
from tests.report.test_robustness import chapter, figures


@pytest.mark.parametrize(
    "method", ["explainability.shapley", "explainability.lime", "explainability.integrated_gradients"]
)
def test_the_feature_that_decides_leads_the_bars_and_its_removal_the_curve(
    tmp_path: Path, method: str
) -> None:
    model = linear_folder(tmp_path / "m", [number("x1", mean=1.0, scale=1.4), number("x2")], [3.0, 0.05])
    subject = model_subject(tmp_path, model, two_gaussians(200, 7), label="label")
    blocks = chapter(method, subject)
    bars, deletion = (figure["chart"] for figure in figures(blocks))
    assert [row["label"] for row in bars["rows"]] == ["x1", "x2"]
    strongest = bars["rows"][0]
    assert strongest["low"] <= strongest["value"] <= strongest["high"]
    first, random = deletion["lines"]
    middle = len(first["y"]) // 2
    assert first["y"][middle] > random["y"][middle]
    assert first["y"][-1] == pytest.approx(random["y"][-1])
    for figure in figures(blocks):
        assert draw(figure["chart"]).startswith("<svg")
    texts = [block["text"] for block in blocks if block["kind"] == "text"]
    assert any("sooner than a random order" in said for said in texts)
