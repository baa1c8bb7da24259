"""Adversarial training: the attack finds the worst place in the ball, and training stands up to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assay.contracts import ImageInput, InputColumn, ModelRequest, ModelSignature
from assay.errors import BadInput
from assay.execution import run_remedy
from assay.loading import load_model
from assay.models.torch_model import ArrayNetwork
from assay.registry import REMEDIES
from assay.remedies.adversarial import ball_of, perturbation
from assay.remedies.training import Rows, classification
from tests.models.made import linear_folder, number
from tests.remedies.made import training_subject

REMEDY = REMEDIES.get("adversarial.training")


def linear(folder: Path, weights: list[float]) -> ArrayNetwork:
    columns = [number(f"x{k}") for k in range(len(weights))]
    model = load_model(ModelRequest(path=str(linear_folder(folder, columns, weights)), device="cpu"))
    assert isinstance(model, ArrayNetwork)
    return model


def test_the_worst_change_of_a_linear_model_is_found_exactly(tmp_path: Path) -> None:
    """Inside an L-infinity ball the log-odds fall by eps times the L1 norm of the weights, and no further."""
    model = linear(tmp_path / "m", [3.0, -2.0, 0.5])
    torch.manual_seed(0)
    clean = torch.randn(50, 3)
    batch = Rows(clean, torch.ones(50, dtype=torch.int64))
    ball = ball_of(model.signature, eps=0.1, steps=10)
    moved = perturbation(model, classification(), ball)(batch)
    fall = (model.logits(clean) - model.logits(moved)).detach()[:, 1]
    torch.testing.assert_close(fall, torch.full((50,), 0.1 * 5.5), rtol=1e-4, atol=1e-5)
    assert float((moved - clean).abs().max()) <= 0.1 + 1e-6


def test_a_table_moves_its_numbers_inside_their_range_and_nothing_else(tmp_path: Path) -> None:
    columns = [
        number("x", mean=10.0, scale=2.0, minimum=9.0, maximum=10.5),
        InputColumn(name="job", kind="category", encoding="one_hot", categories=("a", "b")),
        InputColumn(name="raw", kind="number", encoding="identity"),
    ]
    model = load_model(
        ModelRequest(path=str(linear_folder(tmp_path / "m", columns, [1.0, 1.0, -1.0, 1.0])), device="cpu")
    )
    assert isinstance(model, ArrayNetwork)
    encoded = model.encode(np.array([[10.0, 0, 5.0], [9.1, 1, 5.0]]))
    attack = perturbation(model, classification(), ball_of(model.signature, eps=0.4, steps=20))
    for label, end in ((1, (9.2, 9.0)), (0, (10.5, 9.9))):
        moved = attack(Rows(encoded, torch.full((2,), label)))
        torch.testing.assert_close(moved[:, 1:], encoded[:, 1:], rtol=0, atol=0)
        np.testing.assert_allclose(moved[:, 0].numpy() * 2 + 10, end, atol=1e-5)


def test_pixels_move_by_eps_of_a_pixel_inside_0_and_1() -> None:
    signature = ModelSignature(
        task="binary",
        output="logit",
        classes=("a", "b"),
        image=ImageInput(channels=2, height=2, width=2, mean=(0.5, 0.2), scale=(0.25, 0.5)),
    )
    ball = ball_of(signature, eps=0.1, steps=4)
    torch.testing.assert_close(ball.radius.flatten(), torch.tensor([0.4, 0.2]))
    torch.testing.assert_close(ball.low.flatten(), torch.tensor([-2.0, -0.4]))
    torch.testing.assert_close(ball.high.flatten(), torch.tensor([2.0, 1.6]))


def frail(rows: int, seed: int) -> dict[str, Any]:
    """`strong` tells the label in nine of ten rows by a wide margin; `weak` in all of them by a hair."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    sign = 2 * label - 1
    right = np.where(rng.random(rows) < 0.9, 1, -1)
    return {
        "strong": (sign * right * 2 + rng.normal(size=rows) * 0.1).round(4).tolist(),
        "weak": (sign * 0.05 + rng.normal(size=rows) * 0.01).round(4).tolist(),
        "label": np.where(label == 1, "yes", "no").tolist(),
    }


def under_attack(model: ArrayNetwork, columns: dict[str, Any], eps: float) -> float:
    inputs = np.stack([columns["strong"], columns["weak"]], axis=1)
    batch = Rows(model.encode(inputs), torch.tensor([label == "yes" for label in columns["label"]]).long())
    moved = perturbation(model, classification(), ball_of(model.signature, eps, 10))(batch)
    return float((model.logits(moved).argmax(1) == batch.targets).double().mean())


def test_accuracy_under_attack_rises(tmp_path: Path) -> None:
    """A model that leans on the weak number falls to an eps of 0.2; the strong one cannot be moved so far."""
    columns = frail(2_000, 1)
    original = linear_folder(tmp_path / "m", [number("strong"), number("weak")], [0.5, 100.0])
    subject = training_subject(tmp_path, columns, model=original)
    artefact = run_remedy(
        REMEDY,
        subject,
        {"eps": 0.2, "epochs": 15, "learning_rate": 0.05, "start": "fresh", "batch_rows": 64},
        tmp_path / "work",
    )
    model = load_model(ModelRequest(path=str(artefact.path), device="cpu"))
    assert isinstance(model, ArrayNetwork)
    assert isinstance(subject.model, ArrayNetwork)
    assert under_attack(subject.model, frail(500, 2), 0.2) < 0.2
    assert under_attack(model, frail(500, 2), 0.2) > 0.85
    figures = artefact.lineage.figures
    assert figures["tuning_accuracy_clean_before"] > 0.99
    assert figures["tuning_accuracy_before"] < 0.2
    assert figures["tuning_accuracy_after"] > 0.85


def test_an_attack_of_no_size_moves_nothing(tmp_path: Path) -> None:
    """As eps goes to 0 the attack becomes the identity, so that training is plain training."""
    model = linear(tmp_path / "m", [3.0, -2.0])
    clean = torch.randn(20, 2)
    batch = Rows(clean, torch.zeros(20, dtype=torch.int64))
    moved = perturbation(model, classification(), ball_of(model.signature, eps=1e-12, steps=3))(batch)
    assert torch.equal(moved, clean)


def test_a_model_without_numbers_to_move_is_refused() -> None:
    columns = (InputColumn(name="job", kind="category", encoding="one_hot", categories=("a", "b")),)
    signature = ModelSignature(task="binary", output="logit", classes=("a", "b"), columns=columns)
    with pytest.raises(BadInput, match="reads no standardised number that an attack could move"):
        ball_of(signature, eps=0.1, steps=3)
