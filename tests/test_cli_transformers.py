"""`assay audit` of every kind of transformer folder, from files to a sealed report."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from assay import evidence
from assay.contracts import Evidence, Measure
from assay.intake.model_files import folder_digest
from tests.command import Ran, assay, write_csv
from tests.models.made import tiny_bert
from tests.models.transformers_made import (
    chain_folder,
    chain_texts,
    lora,
    sharded,
    stories,
    trained_vit,
)

QUICK = ("--tier", "quick")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


def _audit(place: Path, name: str, *asked: str | Path) -> tuple[Evidence, Ran]:
    ran = assay(place, "audit", *asked, *QUICK, "--out", place / name)
    assert ran.code == 0, ran.err + ran.out
    return evidence.load(place / name / "evidence.json"), ran


def _measure(found: Evidence, name: str) -> Measure:
    return next(measure for measure in found.measures if measure.id == name)


def test_a_trained_vision_transformer_on_digits(place: Path) -> None:
    model, data = trained_vit(place)
    methods = (
        "performance.classification,data_quality.basics,robustness.pgd,explainability.integrated_gradients"
    )
    found, _ = _audit(place, "vit-out", "--data", data, "--model", sharded(model, 3), "--methods", methods)
    accuracy = _measure(found, "performance.accuracy")
    assert accuracy.low is not None
    assert accuracy.low > 0.5, "ten classes: a tenth is chance"
    assert accuracy.n == 397
    assert found.subject.modality == "image"
    assert {measure.id.partition(".")[0] for measure in found.measures} >= {"robustness", "explainability"}
    page = (place / "vit-out" / "report.html").read_text()
    assert "Assay does not resize any" in page


def test_a_language_model_without_a_label(place: Path) -> None:
    chain_folder(place / "chain")
    write_csv(place / "notes.csv", {"note": chain_texts(40, 1)})
    found, ran = _audit(
        place, "chain-out", "--data", place / "notes.csv", "--model", place / "chain", "--text", "note"
    )
    assert found.subject.signature.task == "generation"
    assert (found.subject.roles.label, found.subject.roles.text) == (None, "note")
    perplexity = _measure(found, "performance.perplexity")
    assert perplexity.low is not None
    assert perplexity.value is not None
    assert 2 < perplexity.low < perplexity.value < 4
    assert "the task here is generation" in ran.out
    assert {skipped.pillar for skipped in found.not_tested} >= {"fairness", "robustness", "privacy"}
    assert _measure(found, "cost.latency").status in ("measured", "insufficient")
    text = (place / "chain-out" / "evidence.json").read_text()
    assert chain_texts(40, 1)[0] not in text, "texts of single rows are no part of the evidence"


def test_an_adapter_over_its_base(place: Path) -> None:
    base = tiny_bert(place / "bert")
    lora(
        place / "adapter",
        base,
        "AutoModelForSequenceClassification",
        task_type="SEQ_CLS",
        target_modules=["query"],
    )
    texts = ["a good day .", "a bad film", "very very good", "bad bad day"] * 10
    write_csv(place / "texts.csv", {"text": texts, "label": ["good", "bad"] * 20})
    asked = (
        "--data",
        place / "texts.csv",
        "--label",
        "label",
        "--text",
        "text",
        "--model",
        place / "adapter",
    )
    some = ("--methods", "performance.classification")
    found, _ = _audit(place, "adapter-out", *asked, "--base", base, *some)
    facts = found.subject.model
    assert facts is not None
    assert facts.base is not None
    assert (facts.sha256, facts.base.sha256) == (folder_digest(place / "adapter"), folder_digest(base))
    page = (place / "adapter-out" / "report.html").read_text()
    assert facts.base.sha256 in page
    assert "Adapter of" in page


@pytest.mark.skipif("ASSAY_REAL_DATA" not in os.environ, reason="ASSAY_REAL_DATA is not set")
def test_stories260k_expects_its_own_story(place: Path) -> None:
    model = stories(place / "stories")
    golden = json.loads(
        (Path(os.environ["ASSAY_REAL_DATA"]) / "stories260k" / "golden_greedy.json").read_text()
    )
    sentences = [f"{line.strip()}." for line in golden["text"].replace("\n", " ").split(".") if line.strip()]
    write_csv(place / "told.csv", {"story": sentences})
    some = ("--methods", "performance.language_modelling")
    asked = ("--data", place / "told.csv", "--text", "story", "--model", model)
    found, _ = _audit(place, "stories-out", *asked, *some)
    assert found.subject.model is not None
    assert found.subject.model.parameters == 260_032
    measure = _measure(found, "performance.bits_per_byte")
    assert measure.high is not None
    assert measure.high < 1.6, "a letter of 27 that are equally likely has 4.75"
