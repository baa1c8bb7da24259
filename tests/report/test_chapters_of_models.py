"""The chapters on privacy and cost, built from what the methods themselves say of a small model."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from assay.contracts import Evidence
from assay.execution import run_method
from assay.registry import METHODS
from assay.report.charts import draw
from assay.report.document import build_document, figures
from tests.models.made import linear_folder, model_subject, number, two_gaussians
from tests.report.sample import evidence


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    folder = tmp_path_factory.mktemp("model")
    model = linear_folder(folder / "m", [number("x1", mean=1.0), number("x2")], [2.0, 0.0])
    return _evidence(folder, model, two_gaussians(1_200, 1), two_gaussians(900, 2))


def _evidence(folder: Path, model: Path, test: dict[str, Any], training: dict[str, Any]) -> Evidence:
    subject = model_subject(folder, model, test, training=training, label="label", sensitive=("sex",))
    methods = [METHODS.get("privacy.membership_loss"), METHODS.get("cost.inference")]
    params = {"cost.inference": {"seconds": 0.1}}
    results = [run_method(m, subject, params.get(m.spec.id)) for m in methods]
    return evidence(with_policy=False).model_copy(
        update={
            "subject": subject.profile,
            "methods": tuple(m.spec for m in methods),
            "measures": tuple(measure for result in results for measure in result.measures),
            "series": tuple(series for result in results for series in result.series),
            "notes": {m.spec.id: r.notes for m, r in zip(methods, results, strict=True)},
            "not_tested": (),
        }
    )


def chapter(measured: Evidence, name: str) -> list[Any]:
    document = build_document(measured)
    return next(c["blocks"] for c in document["chapters"] if c["id"] == f"method-{name}")


def test_the_privacy_chapter_answers_first_and_shows_the_curve_on_log_scales(measured: Evidence) -> None:
    blocks = chapter(measured, "privacy.membership_loss")
    said = [block["text"] for block in blocks if block["kind"] == "text"]
    assert said[1].startswith("This attack cannot tell training rows from others (AUC 0.")
    curve = next(block for block in blocks if block["kind"] == "figure")
    assert (curve["chart"]["log"], curve["chart"]["diagonal"]) == ("xy", True)
    assert curve["chart"]["x"][0] == pytest.approx(1 / 900, rel=0.01)
    groups = [block for block in blocks if block["kind"] == "figure"][1]
    assert {row["label"] for row in groups["chart"]["rows"]} == {"f", "m"}


def test_a_leak_is_called_a_leak(tmp_path: Path) -> None:
    model = linear_folder(tmp_path / "m", [number("x1", mean=1.0), number("x2")], [2.0, 0.0])
    sure = two_gaussians(600, 3)
    sure["x1"] = [6.0 + 1e-4 * i if y == "yes" else -4.0 - 1e-4 * i for i, y in enumerate(sure["label"])]
    found = _evidence(tmp_path, model, two_gaussians(600, 4), sure)
    said = [b["text"] for b in chapter(found, "privacy.membership_loss") if b["kind"] == "text"]
    assert said[1].startswith("Training rows can be told from other rows")


def test_the_cost_chapter_opens_with_what_an_answer_costs(measured: Evidence) -> None:
    blocks = chapter(measured, "cost.inference")
    first, by_batch = [block for block in blocks if block["kind"] == "table"][:2]
    questions = {row[0]["text"]: row for row in first["rows"]}
    assert next(iter(questions)) == "An answer to one row, half of the time within"
    price = next(row for question, row in questions.items() if question.startswith("Price of 1,000 answers"))
    assert price[1]["text"].endswith(" USD")
    assert price[3]["text"] == "measured speed, assumed price"
    energy = next(row for question, row in questions.items() if question.startswith("Energy of 1,000"))
    assert energy[3]["text"] in ("estimated from assumed power", "counted by the hardware")
    assert questions["Arithmetic of one row"][1]["text"] == "8 FLOP"
    assert [row[0]["text"] for row in by_batch["rows"]] == ["1", "8", "64"]


def test_latency_is_drawn_at_the_batch_sizes_that_were_timed(measured: Evidence) -> None:
    figure = next(block for block in chapter(measured, "cost.inference") if block["kind"] == "figure")
    assert [label for _, label in figure["chart"]["x_marks"]] == ["1", "8", "64"]
    assert [line["name"] for line in figure["chart"]["lines"]][:2] == ["p50", "p95"]
    for line in figure["chart"]["lines"]:
        assert all(np.asarray(line["y"], dtype=float) > 0)


def test_settings_of_one_measure_stand_in_order(measured: Evidence) -> None:
    table = next(
        block
        for block in chapter(measured, "cost.inference")
        if block["kind"] == "table" and block["caption"] == "Measures over all rows"
    )
    settings = [row[1]["text"] for row in table["rows"] if row[0]["text"].startswith("Throughput")]
    assert [text.split("batch ")[1].rstrip(")") for text in settings] == ["1", "8", "64"]


def test_every_figure_and_id_of_the_chapters_can_be_drawn_and_resolved(measured: Evidence) -> None:
    document = build_document(measured)
    for figure in figures(document):
        assert ElementTree.fromstring(draw(figure["chart"])).tag.endswith("svg")
        assert document["index"][figure["id"]]
