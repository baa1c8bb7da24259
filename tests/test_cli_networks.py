"""`assay audit` on networks really trained: CNN, LSTM, GRU, autoencoder, in each form that a team has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assay import evidence
from assay.contracts import Evidence, Measure
from assay.models.torch_folder import write_torch_folder
from tests.command import assay
from tests.models.trained_digits import (
    HELD_OUT,
    anomaly_signature,
    digits,
    digits_signature,
    trained,
    write_digits,
)

METHODS = "performance.classification,fairness.group_rates,data_quality.basics"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    _, test = digits()
    write_digits(folder / "digits.npz", test, test.digits, tuple(str(digit) for digit in range(10)))
    odd = (test.digits == HELD_OUT).astype(np.int64)
    write_digits(folder / "anomalies.npz", test, odd, ("normal", "anomaly"))
    return folder


def audited(place: Path, model: Path, data: str, *more: str | Path) -> Evidence:
    out = place / f"out-{model.name}"
    ran = assay(
        place,
        *("audit", "--data", place / data, "--model", model, "--sensitive", "hand", "--methods", METHODS),
        *("--tier", "quick", "--out", out, *more),
    )
    if "which is opened only where the sandbox has" in ran.err:
        pytest.skip("the sandbox here lacks namespaces, Landlock or seccomp: class B is not opened")
    assert ran.code == 0, ran.err
    return evidence.load(out / "evidence.json")


def measure(found: Evidence, name: str, **slices: str) -> Measure:
    return next(m for m in found.measures if m.id == name and dict(m.slice) == slices)


def _told(folder: Path, signature: Any) -> Path:
    path = folder / "told.json"
    path.write_text(signature.model_dump_json(by_alias=True))
    return path


def test_a_trained_cnn_as_a_checkpoint(place: Path) -> None:
    """Class B: the state dict of a training script, with the logits' meaning in a signature."""
    module, _ = trained("cnn")
    torch.save({"epoch": 3, "state_dict": module.state_dict()}, place / "cnn.pt")
    found = audited(place, place / "cnn.pt", "digits.npz", "--signature", _told(place, digits_signature()))
    assert found.subject.model is not None
    assert found.subject.model.format == "torch_folder"
    assert found.subject.model.gate is not None
    assert (found.subject.model.gate.trust, found.subject.model.gate.came_as) == ("B", "torch_checkpoint")
    _, test = digits()
    right = (module(torch.from_numpy(test.images)).argmax(1).numpy() == test.digits).sum()
    accuracy = measure(found, "performance.accuracy")
    assert accuracy.numerator == right
    assert accuracy.value is not None
    assert accuracy.value > 0.9


@pytest.mark.filterwarnings("ignore:The tensor attributes:UserWarning")
def test_a_trained_lstm_as_an_exported_program(place: Path) -> None:
    """Class B: a .pt2, whose signature is inferred."""
    module, _ = trained("lstm")
    program = torch.export.export(
        module, (torch.zeros(2, 1, 8, 8),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)
    )
    torch.export.save(program, place / "lstm.pt2")
    found = audited(place, place / "lstm.pt2", "digits.npz")
    assert found.subject.model is not None
    assert found.subject.model.format == "exported_program"
    assert "gradients" in found.subject.capabilities
    _, test = digits()
    right = (module(torch.from_numpy(test.images)).argmax(1).numpy() == test.digits).sum()
    assert measure(found, "performance.accuracy").numerator == right
    assert right > 0.8 * len(test.digits)


def test_a_trained_gru_as_a_torch_folder(place: Path) -> None:
    module, config = trained("gru")
    write_torch_folder(place / "gru", module, "gru", config, digits_signature())
    found = audited(place, place / "gru", "digits.npz")
    accuracy = measure(found, "performance.accuracy")
    assert accuracy.value is not None
    assert accuracy.value > 0.8
    assert found.subject.model is not None
    assert found.subject.model.architecture.startswith("gru ")


def test_a_trained_autoencoder_by_its_reconstruction_error(place: Path) -> None:
    """The digit that it never saw is told by its error; flags are as frequent for both groups."""
    module, config = trained("autoencoder")
    train, test = digits()
    with torch.no_grad():
        seen = module(torch.from_numpy(train.images[train.digits != HELD_OUT]))[:, 0].numpy()
        errors = module(torch.from_numpy(test.images))[:, 0].numpy()
    limit = float(np.quantile(seen, 0.95))
    write_torch_folder(place / "autoencoder", module, "autoencoder", config, anomaly_signature(limit))
    found = audited(place, place / "autoencoder", "anomalies.npz")
    assert found.subject.signature.output == "score"
    assert found.subject.model_signature is not None
    assert found.subject.model_signature.threshold == pytest.approx(limit)

    odd = test.digits == HELD_OUT
    above = (errors[odd][:, None] > errors[~odd][None, :]).mean()
    area = measure(found, "performance.auc")
    assert area.value == pytest.approx(above, abs=1e-6)
    assert above > 0.8
    assert area.low is not None
    assert area.low > 0.5
    flagged = measure(found, "fairness.selection_rate", hand="left")
    left = np.arange(len(odd)) % 2 == 0
    assert flagged.numerator == int((errors[left] >= limit).sum())
    wrongly = measure(found, "fairness.false_positive_rate", hand="left")
    assert (wrongly.numerator, wrongly.denominator) == (
        int((errors[left & ~odd] >= limit).sum()),
        int((left & ~odd).sum()),
    )
    assert not [m for m in found.measures if m.id == "performance.log_loss" and m.status == "measured"], (
        "a reconstruction error is no probability"
    )
