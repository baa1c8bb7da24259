"""Perplexity and bits per byte: closed forms of a Markov chain, transformers' own loss, honest intervals."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from assay.contracts import Measure, MethodResult
from assay.datasets.subject import Subject
from assay.errors import BadInput
from assay.execution import run_method
from assay.methods.performance.language_modelling import METHOD
from assay.planning import why_not
from assay.registry import METHODS
from tests.models.made import model_subject
from tests.models.transformers_made import CHAIN, LETTERS, chain_folder, chain_texts, tiny_llama


def _subject(folder: Path, model: Path, texts: list[str], **more: Any) -> Subject:
    columns: dict[str, list[Any]] = {"note": texts, **more.pop("columns", {})}
    return model_subject(folder, model, columns, text="note", **more)


def _measure(result: MethodResult, name: str) -> Measure:
    return next(measure for measure in result.measures if measure.id == f"performance.{name}")


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain_folder(tmp_path_factory.mktemp("models") / "chain")


def _table_nats(text: str, chances: np.ndarray = CHAIN) -> float:
    states = [0, *(LETTERS.index(letter) + 1 for letter in text.split())]
    pairs = pairwise(states)
    return float(sum(np.log(chances[now][then - 1]) for now, then in pairs))


def test_a_markov_chain_has_the_perplexity_of_its_table(chain: Path, tmp_path: Path) -> None:
    texts = chain_texts(50, 1)
    result = run_method(METHOD, _subject(tmp_path, chain, texts))
    nats = sum(_table_nats(text) for text in texts)
    tokens, size = sum(len(text.split()) for text in texts), sum(len(text) for text in texts)
    assert _measure(result, "log_likelihood").value == pytest.approx(nats, rel=1e-6)
    assert _measure(result, "scored_tokens").value == tokens
    assert _measure(result, "perplexity").value == pytest.approx(math.exp(-nats / tokens), rel=1e-6)
    assert _measure(result, "bits_per_byte").value == pytest.approx(-nats / math.log(2) / size, rel=1e-6)
    assert _measure(result, "text_log_likelihood").value == pytest.approx(nats / 50, rel=1e-6)
    assert _measure(result, "perplexity").n == tokens


def test_sums_equal_transformers_own_loss(tmp_path: Path) -> None:
    folder, texts = tiny_llama(tmp_path / "llama"), chain_texts(12, 2)
    texts = [" ".join(text.split()[:30]) for text in texts]
    result = run_method(METHOD, _subject(tmp_path, folder, texts))
    peer, expected = AutoModelForCausalLM.from_pretrained(str(folder)).eval(), 0.0
    for text in texts:
        ids = torch.tensor([[0, *(LETTERS.index(letter) + 1 for letter in text.split())]])
        with torch.inference_mode():
            expected -= float(peer(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
    assert _measure(result, "log_likelihood").value == pytest.approx(expected, rel=1e-5)


def test_texts_that_the_model_was_not_made_for_are_found(chain: Path, tmp_path: Path) -> None:
    other = np.roll(CHAIN, 1, axis=1)
    found = run_method(METHOD, _subject(tmp_path, chain, chain_texts(100, 3, other)))
    low = _measure(found, "perplexity").low
    assert low is not None
    assert low > 1.3 * _true_perplexity()


def _true_perplexity() -> float:
    """exp of the cross-entropy a token, estimated from 2,000 texts of the chain."""
    texts = chain_texts(2_000, 99)
    return math.exp(-sum(map(_table_nats, texts)) / sum(len(text.split()) for text in texts))


def test_texts_drawn_from_the_model_raise_no_alarm(chain: Path, tmp_path: Path) -> None:
    true = _true_perplexity()
    found = run_method(METHOD, _subject(tmp_path, chain, chain_texts(200, 4)))
    measure = _measure(found, "perplexity")
    assert measure.low is not None
    assert measure.high is not None
    assert measure.low <= true <= measure.high
    assert measure.high / measure.low < 1.1


def test_texts_of_one_author_count_as_one_draw(chain: Path, tmp_path: Path) -> None:
    texts = [text for text in chain_texts(30, 5) for _ in range(4)]
    authors = [f"author {place // 4}" for place in range(len(texts))]
    alone = run_method(METHOD, _subject(tmp_path, chain, texts))
    grouped = run_method(
        METHOD, _subject(tmp_path, chain, texts, columns={"author": authors}, cluster="author")
    )
    plain, wide = _measure(alone, "bits_per_byte"), _measure(grouped, "bits_per_byte")
    assert plain.value == wide.value
    assert plain.high is not None
    assert wide.high is not None
    assert plain.value is not None
    assert (wide.high - plain.value) / (plain.high - plain.value) == pytest.approx(2, rel=0.08), "sqrt(4)"
    assert wide.interval_method == "delta method, clusters"


def test_samples_and_shards_and_what_is_said_of_them(chain: Path, tmp_path: Path) -> None:
    texts = [*chain_texts(60, 6), "zebra a", "."]
    subject = _subject(tmp_path, chain, texts)
    whole = run_method(METHOD, subject)
    assert [measure.value for measure in run_method(METHOD, subject).measures] == [
        m.value for m in whole.measures
    ]
    assert any("62 of 62 texts" in note and "Windows have 64 tokens" in note for note in whole.notes)
    assert any("2 token(s) are unknown" in note for note in whole.notes)
    unknown = _measure(whole, "unknown_tokens")
    assert unknown.value == pytest.approx(2 / int(_measure(whole, "scored_tokens").value or 0))
    some = run_method(METHOD, subject, {"texts": 20})
    assert any("20 of 62 texts" in note for note in some.notes)
    assert _measure(some, "text_log_likelihood").n == 20


def test_the_task_goes_without_a_label_and_others_say_why_they_do_not_apply(
    chain: Path, tmp_path: Path
) -> None:
    profile = _subject(tmp_path, chain, chain_texts(5, 7), columns={"label": list("abcde")}).profile
    assert (profile.signature.task, profile.roles.label, profile.roles.prediction) == (
        "generation",
        None,
        None,
    )
    assert "label" in profile.roles.features
    applicable = {name for name in METHODS if why_not(METHODS.get(name), profile) is None}
    assert applicable == {"performance.language_modelling", "cost.inference", "data_quality.basics"}
    assert all(why_not(METHODS.get(name), profile) for name in METHODS if name not in applicable)


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"label": "kind"}, "--label belongs to models that predict an outcome"),
        ({"predictions": "kind", "threshold": 0.5}, "--predictions and --threshold belong to models"),
        ({"task": "binary"}, "--task belongs to models"),
    ],
)
def test_an_outcome_named_for_a_language_model_is_refused(
    chain: Path, tmp_path: Path, more: dict[str, Any], part: str
) -> None:
    with pytest.raises(BadInput, match=part):
        _subject(tmp_path, chain, chain_texts(4, 8), columns={"kind": list("abab")}, **more)
