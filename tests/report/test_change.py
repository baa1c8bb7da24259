"""The chapter "What was changed and what it did"."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from assay.contracts import (
    ChangeReport,
    Comparison,
    Evidence,
    Lineage,
    ModelFacts,
    Opening,
    Series,
    SeriesColumn,
    VerdictChange,
)
from assay.report.charts import draw
from assay.report.document import build_document, figures
from assay.report.html import build_html
from assay.report.pdf import build_pdf
from tests.report.sample import evidence

BEFORE = ModelFacts(
    name="released",
    format="torch_folder",
    sha256="ab" * 32,
    architecture="mlp",
    parameters=82,
    weight_bytes=328,
    dtype="float32",
    device="cpu",
)
LINEAGE = Lineage(
    remedy="training.fine_tune",
    version="1.0",
    params={"epochs": 4},
    seed=0,
    parent_sha256=BEFORE.sha256,
    parent_name="released",
    datasets={"training": "cd" * 32},
    rows={"training": 4_000, "tuning": 1_000},
    loss_curves=(
        Series(
            id="training.loss",
            title="Loss of every epoch",
            method="training.fine_tune",
            columns=(
                SeriesColumn(name="epoch", unit="count", values=(1, 2, 3)),
                SeriesColumn(name="training loss", unit="loss", values=(0.7, 0.5, 0.4)),
                SeriesColumn(name="tuning loss", unit="loss", values=(0.7, 0.55, 0.5)),
                SeriesColumn(name="tuning accuracy", unit="share", values=(0.6, 0.7, 0.75)),
            ),
        ),
    ),
)


def entry(name: str, before: float, after: float, reading: str, **more: Any) -> Comparison:
    said: dict[str, Any] = {
        "title": name.partition(".")[2].replace("_", " ").capitalize(),
        "pillar": name.partition(".")[0],
        "low": after - before - 0.01,
        "high": after - before + 0.01,
        "level": 0.95,
        "interval_method": "paired, tango score",
        "tolerance": 0.02,
        "unit": "share",
    }
    fields = said | more
    return Comparison(id=name, before=before, after=after, change=after - before, reading=reading, **fields)


ACCURACY = entry("performance.accuracy", 0.80, 0.79, "unchanged", note="10 rows were right before only.")
RATIO = entry(
    "fairness.selection_rate_ratio",
    0.60,
    0.85,
    "better",
    unit="ratio",
    slice={"sex": "Female"},
    over="sex",
    at={"against": "Male"},
)
ROBUST = entry("robustness.robust_accuracy", 0.60, 0.40, "worse", at={"eps": 0.03})
SPEED = entry("cost.latency", 1.0, 2.0, "worse", unit="milliseconds", interval_method="unpaired, MOVER")


def changed(lineage: Lineage | None = LINEAGE) -> Evidence:
    made = evidence()
    report = ChangeReport(
        baseline_snapshot="ef" * 32,
        baseline_title="Released model",
        baseline_model=BEFORE,
        statements=("20,000 of 20,000 rows are paired.",),
        decisive=(ACCURACY, RATIO, ROBUST),
        moved=(SPEED,),
        counts={"better": 1, "worse": 2, "unchanged": 1},
        verdict_changes=(
            VerdictChange(
                rule="impact-ratio",
                title="Impact ratio",
                pillar="fairness",
                over="sex",
                before="fail",
                after="pass",
            ),
        ),
        exit_code=1,
        sentence="Not let through: 1 of the things that the baseline had became worse or now fail.",
        reasons=("Robust accuracy, all rows: worse, 0.6 to 0.4.",),
    )
    opening = Opening(
        rows_sha256="12" * 32,
        number=2,
        standing="confirmatory",
        sentence="Opening 2 of the sealed test rows.",
    )
    model = BEFORE.model_copy(update={"name": "repaired", "sha256": "34" * 32, "lineage": lineage})
    return made.model_copy(
        update={
            "change": report,
            "subject": made.subject.model_copy(update={"model": model}),
            "plan": made.plan.model_copy(update={"opening": opening}),
        }
    )


CHANGED = changed()
DOCUMENT = build_document(CHANGED)
CHAPTER = DOCUMENT["chapters"][1]


def words(blocks: Any) -> str:
    return str(blocks)


def test_the_chapter_follows_the_findings_and_begins_with_a_sentence() -> None:
    assert [c["id"] for c in DOCUMENT["chapters"][:3]] == ["findings", "change", "verdicts"]
    first: Any = CHAPTER["blocks"][0]
    assert first["text"] == (
        "The model was made by training.fine_tune 1.0 from released (sha256 abababab), on 4,000 rows of "
        "training and 1,000 rows of tuning. 1 measures became better and 2 worse; 1 stayed within their "
        "tolerance and for 0 the rows do not tell."
    )
    second: Any = CHAPTER["blocks"][1]
    assert second["text"].startswith("Not let through")


def test_without_a_baseline_there_is_no_such_chapter() -> None:
    document = build_document(evidence())
    assert [c["id"] for c in document["chapters"][:2]] == ["findings", "verdicts"]
    assert document["summary"]["verdicts_chapter"] == 2
    assert DOCUMENT["summary"]["verdicts_chapter"] == 3


def test_the_first_page_says_opening_and_answer() -> None:
    scope = DOCUMENT["summary"]["scope"]
    assert "Opening 2 of the sealed test rows." in scope
    assert "Compared with released: Not let through" in scope
    limits = next(c for c in DOCUMENT["chapters"] if c["id"] == "not-tested")
    assert "Opening 2 of the sealed test rows." in words(limits["blocks"])


def test_each_unit_has_its_dumbbells_and_other_units_only_the_table() -> None:
    drawn = [f for f in figures(DOCUMENT) if f["chart"]["kind"] == "changes"]
    assert [f["chart"]["title"] for f in drawn] == ["share", "ratio"]
    assert [r["label"] for r in drawn[0]["chart"]["rows"]] == ["Robust accuracy", "Accuracy"]
    assert drawn[1]["chart"]["rows"][0]["who"] == "Female / Male"
    tables = [b for b in CHAPTER["blocks"] if b["kind"] == "table"]
    assert "Latency" in words(tables[1]["rows"])
    assert "McNemar" not in words(tables)
    assert "10 rows were right before only." in words(tables[0]["rows"])


def test_a_curve_has_a_figure_for_each_unit_and_leads_to_its_lineage() -> None:
    drawn = [f for f in figures(DOCUMENT) if f["caption"].startswith(("Training loss", "Tuning accuracy"))]
    assert [f["chart"]["y_title"] for f in drawn] == ["loss", "share"]
    assert [line["name"] for line in drawn[0]["chart"]["lines"]] == ["training loss", "tuning loss"]
    for figure in drawn:
        assert DOCUMENT["index"][figure["id"]] == ["/subject/model/lineage/loss_curves/0"]


def test_a_model_without_lineage_is_said_to_have_none() -> None:
    first: Any = build_document(changed(None))["chapters"][1]["blocks"][0]
    assert "it carries no lineage" in first["text"]


def test_both_editions_show_the_chapter() -> None:
    page = build_html(CHANGED, document=DOCUMENT)
    assert "What was changed and what it did" in page
    assert page.count("Before (ring) and after (dot)") == 2
    assert build_pdf(CHANGED, document=DOCUMENT).startswith(b"%PDF")


@pytest.mark.parametrize(
    "rows",
    [
        [{"before": 0.0, "after": 0.0, "change": 0.0, "low": None, "high": None, "tolerance": 0.0}],
        [{"before": -1e9, "after": 1e9, "change": 2e9, "low": -1e9, "high": 3e9, "tolerance": 1e-9}],
    ],
)
def test_a_chart_of_extreme_changes_stays_a_drawing(rows: list[dict[str, Any]]) -> None:
    rows = [row | {"label": "x" * 200, "who": "<&>", "reading": "worse"} for row in rows]
    svg = draw({"kind": "changes", "rows": rows, "bounds": [None, None], "title": "share", "half": False})
    root = ElementTree.fromstring(svg)
    assert "nan" not in svg
    assert "inf" not in svg
    assert root.get("width") == "468"
