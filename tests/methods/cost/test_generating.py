"""What a generated token costs: exact on a clock of our own, and measured on a real language model."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.execution import run_method
from assay.methods.cost.generating import NEW_TOKENS, time_tokens
from assay.methods.cost.inference import METHOD
from tests.methods.cost.test_inference import SHORT, mlp, one
from tests.models.made import model_subject, two_gaussians
from tests.models.transformers_made import chain_folder, chain_texts


class Clock:
    """A model whose token takes 10 ms on a clock that only it moves; the third text stops after 4 tokens."""

    def __init__(self) -> None:
        self.now, self.prompts = 0.0, list[str]()

    def __call__(self) -> float:
        return self.now

    def new_tokens(self, prompt: str, most: int) -> list[int]:
        self.prompts.append(prompt)
        tokens = 4 if prompt == "c" else most
        self.now += 0.01 * tokens
        return [1] * tokens


def test_seconds_and_tokens_are_those_of_each_call_after_two_to_warm_up() -> None:
    clock = Clock()
    found = time_tokens(clock, ["a" * 500, "b", "c"], 2.0, clock)
    assert clock.prompts[0] == "a" * 100
    assert found["tokens"][:3] == [4.0, float(NEW_TOKENS), float(NEW_TOKENS)]
    assert [s / t for s, t in zip(found["seconds"], found["tokens"], strict=True)] == pytest.approx(
        [0.01] * len(found["tokens"])
    )
    assert sum(found["seconds"]) == pytest.approx(2.0, abs=0.33)
    assert len(time_tokens(Clock(), ["a"], 0.0, Clock())["seconds"]) == 5


def test_a_language_model_is_timed_by_token_and_no_classifier_is(tmp_path: Path) -> None:
    texts = {"note": chain_texts(30, 1)}
    subject = model_subject(tmp_path, chain_folder(tmp_path / "chain"), texts, text="note")
    result = run_method(METHOD, subject, {**SHORT, "batch_sizes": (1,)})
    latency, rate = one(result, "token_latency"), one(result, "token_throughput")
    assert latency.value is not None
    assert rate.value is not None
    assert latency.volatile
    assert rate.volatile
    assert latency.n >= 5
    assert 1_000 / latency.value == pytest.approx(rate.value, rel=0.9)
    assert rate.unit == "tokens/s"
    (tmp_path / "plain").mkdir()
    plain = model_subject(tmp_path / "plain", mlp(tmp_path / "mlp"), two_gaussians(40, 0), label="label")
    assert not [m for m in run_method(METHOD, plain, SHORT).measures if "token" in m.id]
