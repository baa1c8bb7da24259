"""The chapters on robustness: figures over budget and severity, measures by setting, the warning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assay.contracts import Evidence, MethodSpec
from assay.datasets.subject import Subject
from assay.registry import METHODS
from assay.report.charts import draw
from assay.report.document.book import Book
from assay.report.document.methods import method_section
from tests.methods.robustness.digits import digits_subject, masked, undefended
from tests.methods.robustness.measured import measured
from tests.models.made import linear_folder, model_subject, number, two_gaussians
from tests.report import sample


def chapter(method: str, subject: Subject, **params: Any) -> list[dict[str, Any]]:
    """The blocks of the method's chapter for what it measures of `subject`."""
    spec: MethodSpec = METHODS.get(method).spec
    result = measured(method, subject, **params)
    evidence: Evidence = sample.evidence(with_policy=False).model_copy(
        update={
            "methods": (spec,),
            "measures": result.measures,
            "series": result.series,
            "notes": {method: result.notes},
        }
    )
    blocks: Any = method_section(Book(evidence), spec)["blocks"]
    return list(blocks)


def figures(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [block for block in blocks if block["kind"] == "figure"]


def test_accuracy_is_drawn_over_the_budget_beside_the_level_without_attack(tmp_path: Path) -> None:
    blocks = chapter(
        "robustness.pgd", digits_subject(tmp_path, undefended()), rows=100, image_eps=(0.05, 0.2)
    )
    (figure,) = figures(blocks)
    attack, clean = figure["chart"]["lines"]
    assert attack["x"] == [0.0, 0.05, 0.2]
    assert clean["y"] == [attack["y"][0]] * 2
    assert attack["low"][2] <= attack["y"][2] <= attack["high"][2] < clean["y"][0]
    assert "an upper bound" in figure["caption"].lower()
    assert draw(figure["chart"]).startswith("<svg")
    (table,) = [block for block in blocks if block["kind"] == "table" and block["caption"] == "By budget"]
    assert [row[0]["text"] for row in table["rows"]] == ["eps 0.05 in pixel range", "eps 0.2 in pixel range"]
    texts = [block["text"] for block in blocks if block["kind"] == "text"]
    assert not any("Do not rely" in said for said in texts)
    assert texts[1].startswith("Without attack 0.9")
    assert "under attack within eps 0.2 in pixel range" in texts[1]


def test_masked_gradients_are_said_above_the_figure(tmp_path: Path) -> None:
    blocks = chapter("robustness.pgd", digits_subject(tmp_path, masked()), rows=100, image_eps=(0.05, 0.2))
    warning = next(i for i, block in enumerate(blocks) if "Do not rely" in block.get("text", ""))
    assert "zero gradients" in blocks[warning]["text"]
    assert warning < next(i for i, block in enumerate(blocks) if block["kind"] == "figure")


def test_each_kind_of_noise_has_a_small_figure_and_each_setting_a_row(tmp_path: Path) -> None:
    model = linear_folder(tmp_path / "m", [number("x1"), number("x2")], [1.0, 1.0])
    subject = model_subject(tmp_path, model, two_gaussians(100, 1), label="label")
    blocks = chapter("robustness.noise", subject, gaussian=(0.1, 0.5))
    (figure,) = figures(blocks)
    assert figure["half"]
    assert figure["chart"]["x_title"] == "standard deviations"
    assert [row[0]["text"] for row in figure["table"]["rows"]] == ["none", "0.1", "0.5"]
    (table,) = [block for block in blocks if block["kind"] == "table" and "severity" in block["caption"]]
    assert [row[0]["text"] for row in table["rows"]] == ["gaussian 0.1", "gaussian 0.5"]
    # a measure stands in one table, not in two
    overall = next(block for block in blocks if block.get("caption") == "Measures over all rows")
    assert len(overall["rows"]) == 3


def test_without_labels_changed_decisions_are_drawn(tmp_path: Path) -> None:
    columns = two_gaussians(100, 1)
    model = linear_folder(tmp_path / "m", [number("x1"), number("x2")], [1.0, 1.0])
    subject = model_subject(tmp_path, model, {name: columns[name] for name in ("x1", "x2")})
    (figure,) = figures(chapter("robustness.noise", subject))
    (line,) = figure["chart"]["lines"]
    assert line["name"] == "decisions changed"
    assert line["y"][0] == 0.0
