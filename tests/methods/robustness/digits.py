"""Networks on scikit-learn's digits, trained here: undefended, trained against PGD, with masked gradients."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.datasets import load_digits

from assay.contracts import ImageInput, ModelSignature
from assay.datasets.subject import Subject
from assay.models.architectures import build
from assay.models.torch_folder import write_torch_folder
from tests.models.images import image_subject

if TYPE_CHECKING:
    import torch

__all__ = ["adversarially_trained", "digits_subject", "masked", "undefended"]

CONFIG = {"channels": 1, "height": 8, "width": 8, "widths": (8, 16), "hidden": 32, "outputs": 10}
TRAINED = 1200
SIGNATURE = ModelSignature(
    task="multiclass",
    output="logit",
    classes=tuple("0123456789"),
    image=ImageInput(channels=1, height=8, width=8),
)


@cache
def undefended() -> torch.nn.Module:
    return _train(epochs=8, eps=0.0)


@cache
def adversarially_trained() -> torch.nn.Module:
    return _train(epochs=20, eps=0.2)


def masked() -> torch.nn.Module:
    """The undefended network with its logits times 10,000: same decisions, a softmax of exact zeros."""
    import torch

    network = build("cnn", CONFIG)
    network.load_state_dict(undefended().state_dict())
    head = network.get_submodule("head")
    assert isinstance(head, torch.nn.Linear)
    with torch.no_grad():
        head.weight.mul_(1e4)
        head.bias.mul_(1e4)
    return network.eval()


def digits_subject(folder: Path, network: torch.nn.Module) -> Subject:
    """The digits that no network here was trained on, 597 of them, with `network` to ask."""
    model = write_torch_folder(folder / "model", network, "cnn", CONFIG, SIGNATURE)
    images, labels = _digits()
    pixels = (images[TRAINED:] * 255).round().astype(np.uint8)
    return image_subject(folder, model, pixels, [str(label) for label in labels[TRAINED:]])


def _digits() -> tuple[np.ndarray, np.ndarray]:
    found = load_digits()
    return (found.images / 16).astype(np.float32)[:, None], found.target.astype(np.int64)


def _train(epochs: int, eps: float) -> torch.nn.Module:
    """Adam on cross-entropy; with eps > 0 on examples moved by 2 PGD steps (Madry et al. 2018)."""
    import torch
    from torch.nn.functional import cross_entropy

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # steps this small lose more to waiting for one another than they gain
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build("cnn", CONFIG)
        optimiser = torch.optim.Adam(network.parameters(), 5e-3)
        images, labels = (torch.from_numpy(part[:TRAINED]) for part in _digits())
        for _ in range(epochs):
            for rows in torch.randperm(TRAINED).split(100):
                x, y = images[rows], labels[rows]
                if eps:
                    network.eval()
                    moved = (x + eps * (2 * torch.rand_like(x) - 1)).clamp(0, 1)
                    for _ in range(2):
                        moved.requires_grad_()
                        (slope,) = torch.autograd.grad(cross_entropy(network(moved), y), moved)
                        moved = (
                            (moved.detach() + 0.75 * eps * slope.sign()).clamp(x - eps, x + eps).clamp(0, 1)
                        )
                    x = moved
                network.train()
                optimiser.zero_grad()
                cross_entropy(network(x), y).backward()
                optimiser.step()
    torch.set_num_threads(threads)
    return network.eval()
