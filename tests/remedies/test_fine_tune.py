"""Fine-tuning: the original untouched, the head alone, groups reweighed, texts too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assay.contracts import ModelRequest, NewArtifact
from assay.errors import BadInput
from assay.execution import run_remedy
from assay.intake.model_files import folder_digest
from assay.loading import load_model
from assay.models.torch_model import TorchModel
from assay.registry import REMEDIES
from tests.models.made import linear_folder, number, regression_folder, tiny_bert, two_gaussians
from tests.remedies.made import biased, training_subject

REMEDY = REMEDIES.get("training.fine_tune")


def made(folder: Path, subject: Any, **params: Any) -> tuple[NewArtifact, TorchModel]:
    artefact = run_remedy(REMEDY, subject, {"epochs": 4, **params}, folder / "work")
    model = load_model(ModelRequest(path=str(artefact.path), device="cpu"))
    assert isinstance(model, TorchModel)
    return artefact, model


def from_scratch(folder: Path, columns: dict[str, Any], **request: Any) -> Path:
    subject = training_subject(folder, columns, **request)
    params = {"epochs": 8, "sizes": {"hidden": [8]}, "learning_rate": 0.01}
    return run_remedy(REMEDIES.get("training.from_scratch"), subject, params, folder / "work").path


def test_the_loss_falls_and_the_original_stays_as_it_is(tmp_path: Path) -> None:
    """Its head begins at the wrong sign."""
    original = linear_folder(tmp_path / "m", [number("x1"), number("x2")], [-1.0, 0.0], classes=("no", "yes"))
    digest = folder_digest(original)
    subject = training_subject(tmp_path, two_gaussians(600, 1), model=original)
    held = {name: tensor.clone() for name, tensor in subject.model.module.state_dict().items()}  # type: ignore[attr-defined]
    artefact, model = made(tmp_path, subject, learning_rate=0.05, epochs=20)
    figures = artefact.lineage.figures
    assert figures["tuning_loss_after"] < figures["tuning_loss_before"] / 2
    assert figures["tuning_accuracy_before"] < 0.5 < 0.8 < figures["tuning_accuracy_after"]
    assert folder_digest(original) == digest
    for name, tensor in subject.model.module.state_dict().items():  # type: ignore[attr-defined]
        assert torch.equal(tensor, held[name])
    assert artefact.lineage.parent_sha256 == digest == subject.model.facts.sha256
    assert model.signature == subject.model.signature


def test_a_head_alone_leaves_the_body_as_it_was_to_the_bit(tmp_path: Path) -> None:
    columns = two_gaussians(500, 2)
    original = from_scratch(tmp_path / "o", columns, favourable="yes")
    subject = training_subject(tmp_path, columns, model=original)
    artefact, model = made(tmp_path, subject, layers="head", learning_rate=0.01)
    before = load_model(ModelRequest(path=str(original), device="cpu"))
    assert isinstance(before, TorchModel)
    after = model.module.state_dict()
    for name, tensor in before.module.state_dict().items():
        assert torch.equal(tensor, after[name]) != name.startswith("head."), name
    assert artefact.lineage.figures["parameters_trained"] == 8 * 2 + 2


def test_reweighing_halves_the_gap_between_groups(tmp_path: Path) -> None:
    columns = biased(4_000, 10)
    original = from_scratch(tmp_path / "o", columns, sensitive=("sex",), favourable="yes")
    subject = training_subject(tmp_path, columns, model=original, sensitive=("sex",))
    female = np.array(columns["sex"]) == "f"
    inputs = subject.inputs("training", np.arange(len(female)))

    def gap(model: Any) -> float:
        chosen = model.decide(model.scores(inputs))
        return float(abs(chosen[female].mean() - chosen[~female].mean()))

    _, model = made(tmp_path, subject, reweigh=("sex",), learning_rate=0.005, epochs=10)
    assert gap(subject.model) > 0.2
    assert gap(model) < gap(subject.model) / 2


def test_groups_that_are_equal_already_change_nothing(tmp_path: Path) -> None:
    """All weights are 1, so training takes the same steps as without them, to the bit."""
    half = two_gaussians(200, 3)
    columns = {name: [*values, *values] for name, values in half.items()}
    columns["sex"] = ["f"] * 200 + ["m"] * 200
    original = linear_folder(tmp_path / "m", [number("x1")], [0.1])
    subject = training_subject(tmp_path, columns, tuning=columns, model=original, sensitive=("sex",))
    _, plain = made(tmp_path / "a", subject)
    _, reweighed = made(tmp_path / "b", subject, reweigh=("sex",))
    for name, tensor in plain.module.state_dict().items():
        assert torch.equal(tensor, reweighed.module.state_dict()[name])


@pytest.mark.parametrize("layers", ["all", "head"])
def test_a_text_model_is_tuned_and_taken_back_by_the_gate(tmp_path: Path, layers: str) -> None:
    original = tiny_bert(tmp_path / "m")
    rng = np.random.default_rng(4)
    label = rng.choice(["good", "bad"], 120)
    texts = [f"{'very ' * int(rng.integers(0, 3))}a {word} film ." for word in label]
    columns = {"text": texts, "label": label.tolist()}
    subject = training_subject(tmp_path, columns, model=original, text="text")
    steps = {"learning_rate": 0.02, "epochs": 25, "batch_rows": 16, "patience": None}
    artefact, model = made(tmp_path, subject, layers=layers, **steps)
    assert model.facts.format == "huggingface"
    figures = artefact.lineage.figures
    assert figures["tuning_loss_after"] < figures["tuning_loss_before"]
    before, after = subject.model.module.state_dict(), model.module.state_dict()  # type: ignore[attr-defined]
    body = [name for name in before if not name.startswith("classifier.")]
    same = [torch.equal(before[name], after[name]) for name in body]
    assert all(same) == (layers == "head")
    if layers == "all":
        assert figures["tuning_accuracy_after"] >= 0.9
        scores = model.scores(["a good film .", "a bad film ."])
        assert scores[0, 1] > 0.5 > scores[1, 1]


def test_a_regression_is_tuned_in_its_own_unit(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=400)
    columns = {"x": x.round(5).tolist(), "label": (100 * x + 20).tolist()}
    original = regression_folder(tmp_path / "m", [number("x")], [90.0], bias=0.0)
    subject = training_subject(tmp_path, columns, model=original)
    steps = {"learning_rate": 0.5, "epochs": 40, "schedule": "cosine", "weight_decay": 0.0}
    artefact, model = made(tmp_path, subject, **steps)
    assert artefact.lineage.figures["tuning_loss_after"] < 0.001
    np.testing.assert_allclose(model.scores(np.array([[1.0]])), [[120.0]], atol=2)


def test_a_tree_is_refused_with_its_reason(tmp_path: Path) -> None:
    from assay.planning import why_no_remedy

    columns = two_gaussians(60, 6)
    subject = training_subject(tmp_path, columns, favourable="yes")
    reason = why_no_remedy(REMEDY, subject.profile)
    assert reason == "training.fine_tune needs a model that can be trained; it was given none."


def test_an_autoencoder_has_no_classes_to_learn(tmp_path: Path) -> None:
    columns = two_gaussians(100, 7)
    subject = training_subject(tmp_path / "o", columns, favourable="yes")
    params = {
        "architecture": "autoencoder",
        "normal": "no",
        "sizes": {"hidden": [4], "latent": 1},
        "epochs": 1,
    }
    auto = run_remedy(REMEDIES.get("training.from_scratch"), subject, params, tmp_path / "o").path
    with pytest.raises(BadInput, match="gives a plain score and no classes"):
        made(tmp_path, training_subject(tmp_path, columns, model=auto))
