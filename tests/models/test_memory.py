"""When memory runs out the batch is halved: the answers stay, the time is lost, and a note says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assay.contracts import ModelRequest
from assay.errors import BadInput
from assay.loading import load_model
from assay.models.text_classifier import TextClassifier
from assay.models.torch_model import ArrayNetwork
from tests.models.made import linear_folder, number, tiny_bert


class _Full(torch.nn.Module):
    """A network on a device without room for a single row, or one that fails with other words."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, inputs: torch.Tensor) -> Any:
        raise self.error


def _model(folder: Path) -> ArrayNetwork:
    path = linear_folder(folder / "m", [number("x1"), number("x2")], [1.0, -2.0])
    model = load_model(ModelRequest(path=str(path), device="cpu"))
    assert isinstance(model, ArrayNetwork)
    return model


def test_texts_that_fill_the_memory_are_asked_about_in_smaller_batches(tmp_path: Path) -> None:
    model = load_model(ModelRequest(path=str(tiny_bert(tmp_path / "bert")), device="cpu"))
    assert isinstance(model, TextClassifier)
    words = np.random.default_rng(0).choice(["a", "good", "bad", "very", "film"], (100, 12))
    texts = [" ".join(row[: 1 + place % 12]) for place, row in enumerate(words)]
    expected = model.scores(texts)
    forward, asked = model.module.forward, []

    def small(input_ids: torch.Tensor, **more: Any) -> Any:
        asked.append(len(input_ids))
        if input_ids.numel() > 200:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(input_ids=input_ids, **more)

    model.module.forward = small
    np.testing.assert_allclose(model.scores(texts), expected, atol=1e-6)
    assert model.batch_rows < 64
    assert model.notes == [f"Memory ran out on cpu: batches were cut to {model.batch_rows} rows."]
    before = len(asked)
    np.testing.assert_allclose(model.scores(texts[::-1]), expected[::-1], atol=1e-6)
    assert max(asked[before:]) <= model.batch_rows, "it remembers"


def test_a_row_that_does_not_fit_alone_is_refused(tmp_path: Path) -> None:
    model = _model(tmp_path)
    model.module = _Full(torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(BadInput, match="m needs more memory for a single row than cpu has"):
        model.scores(np.zeros((4, 2)))


def test_other_failures_are_not_taken_for_it(tmp_path: Path) -> None:
    model = _model(tmp_path)
    model.module = _Full(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1"):
        model.scores(np.zeros((4, 2)))


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_read(tmp_path: Path, device: str) -> None:
    with pytest.raises(
        BadInput, match=f'"{device}" was asked for, but this machine has no GPU that torch can'
    ):
        load_model(ModelRequest(path=str(tmp_path / "nothing"), device=device))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_answers_of_the_cpu(tmp_path: Path) -> None:
    path = linear_folder(tmp_path / "m", [number("x1"), number("x2")], [1.0, -2.0])
    rows = np.random.default_rng(0).normal(size=(1_000, 2))
    found = [load_model(ModelRequest(path=str(path), device=name)).scores(rows) for name in ("cpu", "cuda")]
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
