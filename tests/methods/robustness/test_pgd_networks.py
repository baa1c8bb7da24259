"""Gradient attacks on small networks: against ART, on a defended and an undefended one, on a masked one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.methods.robustness.digits import (
    CONFIG,
    adversarially_trained,
    digits_subject,
    masked,
    undefended,
)
from tests.methods.robustness.measured import measured, one

EPS = 0.125


def test_an_undefended_network_falls(tmp_path: Path) -> None:
    result = measured("robustness.pgd", digits_subject(tmp_path, undefended()), image_eps=(EPS,), rows=300)
    found = one(result, "robust_accuracy", eps=EPS)
    assert one(result, "clean_accuracy").value > 0.9  # type: ignore[operator]  # measured
    assert found.high is not None
    assert found.high < 0.5


def test_an_adversarially_trained_network_stands_and_raises_no_alarm(tmp_path: Path) -> None:
    subject = digits_subject(tmp_path, adversarially_trained())
    result = measured("robustness.pgd", subject, image_eps=(0.05, 0.1, EPS), rows=300)
    found = one(result, "robust_accuracy", eps=EPS)
    assert found.low is not None
    assert found.low > 0.5
    alarms = one(result, "gradient_masking_alarms")
    assert (alarms.value, alarms.note) == (0, None)


def test_masked_gradients_raise_the_alarm(tmp_path: Path) -> None:
    """Logits times 10,000 decide alike, look robust to cross-entropy, and are not."""
    result = measured(
        "robustness.pgd", digits_subject(tmp_path, masked()), image_eps=(0.05, 0.1, EPS), rows=300
    )
    assert one(result, "robust_accuracy", eps=EPS).low > 0.5  # type: ignore[operator]  # measured
    assert one(result, "zero_gradient_share").value == 1.0
    alarms = one(result, "gradient_masking_alarms")
    assert alarms.value is not None
    assert alarms.value >= 2
    assert alarms.note is not None
    assert "zero gradients" in alarms.note
    assert "look masked" in result.notes[0]


@pytest.mark.filterwarnings("ignore")
def test_art_finds_as_many_with_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    # tests/methods/explainability/peers.py switches numba's compiler off; ART's import needs it on
    monkeypatch.setattr("numba.config.DISABLE_JIT", 0)
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import PyTorchClassifier

    subject = digits_subject(tmp_path, adversarially_trained())
    rows = np.arange(subject.profile.test.rows)
    images, labels = np.asarray(subject.inputs("test", rows)), subject.labels("test", rows)
    classifier = PyTorchClassifier(
        model=adversarially_trained(),
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=(1, CONFIG["height"], CONFIG["width"]),
        nb_classes=10,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    for eps in (0.1, EPS):
        attack = ProjectedGradientDescent(
            classifier,
            eps=eps,
            eps_step=2.5 * eps / 20,
            max_iter=20,
            num_random_init=1,
            verbose=False,
            batch_size=600,
        )
        moved = attack.generate(images, y=labels)
        theirs = np.mean(classifier.predict(moved).argmax(axis=1) == labels)
        ours = one(
            measured("robustness.pgd", subject, image_eps=(eps,), rows=600, steps=20), "robust_accuracy"
        )
        assert ours.value == pytest.approx(theirs, abs=0.02)
