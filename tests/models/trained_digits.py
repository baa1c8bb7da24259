"""Tiny networks really trained on scikit-learn's digits (8 x 8 pixels), in a second or two each."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import ImageInput, ModelSignature

__all__ = [
    "HELD_OUT",
    "IMAGE",
    "Digits",
    "anomaly_signature",
    "digits",
    "digits_signature",
    "trained",
    "write_digits",
]

IMAGE = ImageInput(channels=1, height=8, width=8)
HELD_OUT = 1
"""The digit that the autoencoder never saw."""
_SIZES: dict[str, dict[str, Any]] = {
    "cnn": {"channels": 1, "height": 8, "width": 8, "widths": (8, 16), "hidden": 32, "outputs": 10},
    "lstm": {"features": 8, "hidden": 32, "outputs": 10},
    "gru": {"features": 8, "hidden": 32, "outputs": 10},
    "autoencoder": {"inputs": 64, "hidden": (32,), "latent": 8},
}


class Digits(NamedTuple):
    """images float32 (rows, 1, 8, 8) in [0, 1]; digits int64."""

    images: npt.NDArray[np.float32]
    digits: npt.NDArray[np.int64]


def digits() -> tuple[Digits, Digits]:
    """The first two thirds to train on, the others to test on."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.rint(found.images * (255 / 16))[:, None] / 255
    both = Digits(images.astype(np.float32), found.target.astype(np.int64))
    return Digits(*(part[:1200] for part in both)), Digits(*(part[1200:] for part in both))


def digits_signature() -> ModelSignature:
    """Logits of ten digits."""
    classes = tuple(str(digit) for digit in range(10))
    return ModelSignature(task="multiclass", output="logit", classes=classes, image=IMAGE)


def anomaly_signature(threshold: float) -> ModelSignature:
    """A reconstruction error; above the threshold it is an anomaly."""
    return ModelSignature(
        task="binary", output="score", classes=("normal", "anomaly"), threshold=threshold, image=IMAGE
    )


def trained(architecture: str, *, seed: int = 0) -> tuple[Any, dict[str, Any]]:
    """A network of that architecture and its sizes, after a few hundred steps of Adam."""
    import torch

    from assay.models.architectures import build

    torch.manual_seed(seed)
    config = _SIZES[architecture]
    module = build(architecture, config)
    rows, _ = digits()
    normal = rows.digits != HELD_OUT if architecture == "autoencoder" else np.ones(len(rows.digits), bool)
    images, labels = torch.from_numpy(rows.images[normal]), torch.from_numpy(rows.digits[normal])
    optimizer = torch.optim.Adam(module.parameters(), lr=5e-3)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    for step in range(200):
        batch = slice(64 * step % 1024, 64 * step % 1024 + 64)
        answers = module(images[batch])
        if architecture == "autoencoder":
            loss = answers.mean()
        else:
            loss = torch.nn.functional.cross_entropy(answers, labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.set_num_threads(before)
    return module.eval(), config


def write_digits(path: Path, rows: Digits, labels: npt.NDArray[np.int64], classes: tuple[str, ...]) -> Path:
    """Images with labels and a sensitive attribute, whose groups see the same pictures."""
    hand = np.array(["left", "right"])[np.arange(len(labels)) % 2]
    np.savez(
        path,
        images=(rows.images[:, 0] * 255).round().astype(np.uint8),
        labels=labels,
        classes=classes,
        hand=hand,
    )
    return path
