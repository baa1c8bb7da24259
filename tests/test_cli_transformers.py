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


def test_an_adapter_over_a_language_model_without_a_label(place: Path) -> None:
    base = chain_folder(place / "chain")
    lora(
        place / "adapter",
        base,
        "AutoModelForCausalLM",
        task_type="CAUSAL_LM",
        target_modules=["v_proj", "o_proj"],
    )
    write_csv(place / "notes.csv", {"note": chain_texts(40, 1)})
    asked = ("--data", place / "notes.csv", "--text", "note", "--model", place / "adapter", "--base", base)
    found, ran = _audit(place, "adapter-out", *asked)
    assert found.subject.signature.task == "generation"
    assert (found.subject.roles.label, found.subject.roles.text) == (None, "note")
    facts = found.subject.model
    assert facts is not None
    assert facts.base is not None
    assert (facts.sha256, facts.base.sha256) == (folder_digest(place / "adapter"), folder_digest(base))
    perplexity = _measure(found, "performance.perplexity")
    assert perplexity.value is not None
    assert perplexity.value > 3, "the chain's own is 2.75 on these texts: the adapter must have changed it"
    assert "the task here is generation" in ran.out
    assert {skipped.pillar for skipped in found.not_tested} >= {"fairness", "robustness", "privacy"}
    assert _measure(found, "cost.token_throughput").status == "measured"
    page = (place / "adapter-out" / "report.html").read_text()
    assert facts.base.sha256 in page
    assert "Adapter of" in page
    assert chain_texts(40, 1)[0] not in page + (place / "adapter-out" / "evidence.json").read_text()


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
