"""Explanations of texts: closed forms for bags of words, and a real (tiny) transformer end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LayerIntegratedGradients

from assay.datasets.subject import Subject
from assay.evidence import digest
from assay.execution import run_method
from assay.methods.explainability import integrated_gradients, lime
from assay.methods.explainability.differentiable import differentiable_row, explained_margin
from assay.methods.explainability.gradient_path import GradientPath
from assay.methods.explainability.lime_texts import IndexedText, TextSurrogates
from tests.models.made import model_subject, tiny_bert

TEXTS = (
    "a good day .",
    "very bad film",
    "good good film .",
    "a very very bad day",
    "bad films",
    "films",
    "good",
)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = tmp_path_factory.mktemp("texts")
    columns = {"t": list(TEXTS) * 4, "l": ["good" if "good" in text else "bad" for text in TEXTS] * 4}
    model = tiny_bert(folder / "m", seed=3)
    return model_subject(folder, model, columns, label="l", text="t", favourable="good")


def measured(result: Any) -> dict[str, Any]:
    return {m.id.rpartition(".")[2]: m for m in result.measures}


def test_the_weights_of_a_bag_of_words_are_its_words_effects() -> None:
    effects = {"good": 3.0, "bad": -2.0, "day": 0.5, "film": 0.0}

    def score(asked: list[str]) -> np.ndarray:
        return np.array([sum(value for word, value in effects.items() if word in text) for text in asked])

    text = IndexedText("film good day bad")
    found = TextSurrogates(2_000).explain(text, score, seed=1)
    np.testing.assert_allclose(found.weights, [0.0, 3.0, 0.5, -2.0], atol=0.02)
    assert found.fidelity > 0.999


def test_a_word_is_left_out_wherever_it_stands() -> None:
    text = IndexedText("good good film, good")
    assert text.words == 2
    assert "good" not in text.without(np.array([0]))


def test_lime_asks_a_transformer_in_batches_and_measures_its_explanations(texts: Subject) -> None:
    seen: list[int] = []
    loaded: Any = texts.model
    hook = loaded.module.register_forward_pre_hook(
        lambda _, __, named: seen.append(len(named["input_ids"])), with_kwargs=True
    )
    try:
        result = run_method(lime.METHOD, texts, {"text_rows": 12, "text_samples": 200})
    finally:
        hook.remove()
    assert max(seen) <= loaded.batch_rows == 64
    found = measured(result)
    assert set(found) == {
        *("fidelity", "stability_overlap", "stability_rank", "stability_sign", "deletion_gain")
    }
    assert found["fidelity"].status == "measured"
    # texts of one word have no order to remove in
    assert found["deletion_gain"].n < 12
    assert {s.id for s in result.series} <= {"explainability.lime.deletion"}
    assert "texts" in result.notes[0]


def test_a_text_without_words_counts_for_nothing(tmp_path: Path) -> None:
    columns = {"t": [". . .", "a good day", "!!"] * 10, "l": ["good", "bad", "bad"] * 10}
    model = tiny_bert(tmp_path / "m", seed=3)
    subject = model_subject(tmp_path, model, columns, label="l", text="t", favourable="good")
    result = run_method(lime.METHOD, subject, {"text_rows": 30, "text_samples": 60})
    assert measured(result)["fidelity"].n == 10


def test_integrated_gradients_of_tokens_equal_captums_own_of_the_embedding_layer(texts: Subject) -> None:
    model: Any = texts.model
    row = differentiable_row(model, "a very bad day", None)
    found = GradientPath(model, row, 1, lambda: None).integrate(64, 64, 1e-9)
    ids = model.encode(["a very bad day"])["input_ids"]
    padded = ids.clone()
    padded[:, 1:-1] = model.tokenizer.pad_token_id

    def forward(tokens: torch.Tensor) -> torch.Tensor:
        named = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
        return explained_margin(model, model.logits(named), 1)

    peer = LayerIntegratedGradients(forward, model.embedding_layer).attribute(ids, padded, n_steps=64)
    np.testing.assert_allclose(found.values, peer.sum(dim=2)[0].detach().numpy(), rtol=1e-4, atol=1e-6)
    assert found.values[0] == found.values[-1] == 0
    assert found.gap < 0.01


def test_integrated_gradients_measure_a_transformers_texts(texts: Subject) -> None:
    params = {"text_rows": 12, "perturbations": 16, "randomised": 3, "steps": 16, "most_steps": 64}
    result = run_method(integrated_gradients.METHOD, texts, params)
    found = measured(result)
    assert "max_sensitivity" not in found
    assert found["completeness_gap"].value < 0.2
    assert 0 <= found["infidelity"].value <= 1
    assert found["randomisation_correlation"].status in ("measured", "insufficient")
    assert "padding tokens" in result.notes[0]
    assert digest(result) == digest(run_method(integrated_gradients.METHOD, texts, params, shard_rows=5))
