"""Distillation: the loss, the student's size, and what it learns."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assay.contracts import ModelRequest, NewArtifact
from assay.errors import BadInput, BadParams
from assay.execution import run_remedy
from assay.loading import load_model
from assay.models.architectures import build
from assay.models.torch_model import TorchModel
from assay.registry import REMEDIES
from assay.remedies.distillation import distillation_loss, halved_sizes
from tests.models.made import linear_folder, number, tiny_bert, two_gaussians
from tests.remedies.made import image_training, training_subject

REMEDY = REMEDIES.get("distillation.student")


def made(folder: Path, subject: Any, **params: Any) -> tuple[NewArtifact, TorchModel]:
    artefact = run_remedy(REMEDY, subject, {"epochs": 6, **params}, folder / "work")
    model = load_model(ModelRequest(path=str(artefact.path), device="cpu"))
    assert isinstance(model, TorchModel)
    return artefact, model


def test_the_loss_worked_by_hand() -> None:
    """Two classes, T = 2: teacher log-odds 2 ln 3 give softened odds 3 to 1, the student's 0 give 1 to 1.

    KL = 3/4 ln(3/2) + 1/4 ln(1/2); cross-entropy of even odds = ln 2.
    """
    teacher = torch.tensor([[0.0, 2 * math.log(3)]])
    student = torch.zeros(1, 2)
    kl = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    expected = 0.3 * math.log(2) + 0.7 * 4 * kl
    found = distillation_loss(student, teacher, torch.tensor([1]), alpha=0.3, temperature=2.0)
    assert found.shape == (1,)
    assert found.item() == pytest.approx(expected, rel=1e-6)
    assert found.item() == pytest.approx(0.574_218, abs=1e-5)


def test_its_mean_is_torchs_batchmean() -> None:
    torch.manual_seed(0)
    student, teacher, targets = torch.randn(7, 5), torch.randn(7, 5), torch.randint(0, 5, (7,))
    soft = torch.nn.functional.kl_div(
        torch.log_softmax(student / 3, 1),
        torch.log_softmax(teacher / 3, 1),
        log_target=True,
        reduction="batchmean",
    )
    expected = 0.5 * torch.nn.functional.cross_entropy(student, targets) + 0.5 * 9 * soft
    found = distillation_loss(student, teacher, targets, alpha=0.5, temperature=3.0).mean()
    torch.testing.assert_close(found, expected)


def test_a_student_that_answers_like_its_teacher_has_nothing_to_learn() -> None:
    logits = torch.randn(4, 3, requires_grad=True)
    loss = distillation_loss(logits, logits.detach(), torch.tensor([0, 1, 2, 0]), alpha=0.0, temperature=2.0)
    torch.testing.assert_close(loss, torch.zeros(4), atol=1e-6, rtol=0)
    (slope,) = torch.autograd.grad(loss.sum(), logits)
    torch.testing.assert_close(slope, torch.zeros(4, 3), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("architecture", "config"),
    [
        ("mlp", {"inputs": 10, "hidden": (5,), "outputs": 3}),
        ("mlp", {"inputs": 100, "hidden": (64, 32), "outputs": 2}),
        ("cnn", {"channels": 1, "height": 8, "width": 8, "widths": (8, 16), "hidden": 32}),
        ("resnet", {"channels": 1, "widths": (8, 16), "blocks": 1}),
        ("lstm", {"features": 8, "hidden": 32}),
        ("gru", {"features": 1, "hidden": 20, "layers": 2}),
    ],
)
def test_a_student_has_at_most_half_the_parameters(architecture: str, config: dict[str, Any]) -> None:
    from types import SimpleNamespace

    module = build(architecture, config)
    teacher: Any = SimpleNamespace(architecture=architecture, config=config, module=module)
    sizes = halved_sizes(teacher)
    student = build(architecture, {**config, **sizes})
    of_teacher, of_student = (sum(p.numel() for p in m.parameters()) for m in (module, student))
    assert of_teacher / 5 < of_student <= of_teacher / 2


def test_the_student_keeps_nearly_all_of_the_teachers_accuracy(tmp_path: Path) -> None:
    teacher = run_remedy(
        REMEDIES.get("training.from_scratch"),
        image_training(tmp_path / "t", 400, 1),
        {"architecture": "cnn", "sizes": {"widths": [8, 8], "hidden": 16}, "epochs": 6},
        tmp_path / "t",
    ).path
    model = load_model(ModelRequest(path=str(teacher), device="cpu"))
    subject = image_training(tmp_path, 400, 2, model=teacher)
    artefact, student = made(tmp_path, subject, epochs=20, learning_rate=0.01, batch_rows=32)
    figures = artefact.lineage.figures
    assert figures["parameters_after"] <= figures["parameters_before"] / 2
    assert figures["tuning_accuracy_after"] >= 0.97 * figures["tuning_accuracy_before"]
    assert student.signature == model.signature
    assert artefact.lineage.parent_sha256 == model.facts.sha256


def test_a_text_student_begins_as_every_second_layer(tmp_path: Path) -> None:
    teacher = tiny_bert(tmp_path / "m", num_hidden_layers=3)
    rng = np.random.default_rng(4)
    label = rng.choice(["good", "bad"], 60)
    columns = {"text": [f"a {word} film ." for word in label], "label": label.tolist()}
    subject = training_subject(tmp_path, columns, model=teacher, text="text")
    # A step of next to no length shows what it began as.
    _, student = made(tmp_path, subject, epochs=1, learning_rate=1e-12, weight_decay=0.0)
    before, after = subject.model.module.state_dict(), student.module.state_dict()  # type: ignore[attr-defined]
    assert student.module.config.num_hidden_layers == 2
    for mine, theirs in ((0, 0), (1, 2)):
        names = [name for name in after if name.startswith(f"bert.encoder.layer.{mine}.")]
        assert names
        for name in names:
            wanted = before[name.replace(f"layer.{mine}.", f"layer.{theirs}.")]
            torch.testing.assert_close(after[name], wanted, atol=1e-6, rtol=0)
    assert subject.model.module.config.num_hidden_layers == 3  # type: ignore[attr-defined]


def test_another_architecture_may_be_the_student(tmp_path: Path) -> None:
    teacher = linear_folder(tmp_path / "m", [number("x1"), number("x2")], [2.0, 0.0])
    subject = training_subject(tmp_path, two_gaussians(300, 5), model=teacher)
    _, student = made(tmp_path, subject, architecture="mlp", sizes={"hidden": [3]}, epochs=1)
    assert "hidden [3]" in student.facts.architecture


def test_a_teacher_that_cannot_shrink_is_refused(tmp_path: Path) -> None:
    teacher = linear_folder(tmp_path / "m", [number("x1")], [2.0])
    subject = training_subject(tmp_path, two_gaussians(60, 6), model=teacher)
    with pytest.raises(BadInput, match="m is too small for a student of half its parameters"):
        made(tmp_path, subject)


def test_sizes_of_a_text_student_are_refused(tmp_path: Path) -> None:
    teacher = tiny_bert(tmp_path / "m")
    columns = {"text": ["a good film", "a bad film"] * 10, "label": ["good", "bad"] * 10}
    subject = training_subject(tmp_path, columns, model=teacher, text="text")
    with pytest.raises(BadParams, match="keeps every second layer; leave sizes out"):
        made(tmp_path, subject, sizes={"hidden": [3]})
