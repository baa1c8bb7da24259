"""scikit-learn's digits: 1,797 handwritten digits of 8 x 8 pixels (Alpaydin & Kaynak 1998), split 3 : 1 : 1.

Writers are not recorded there, so a writer's digits may stand on both sides of the split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from assay.contracts import ImageInput, ModelSignature
from benchmarks.zoo import fitting
from benchmarks.zoo.images import FILES, REQUEST, read_images, write_images
from benchmarks.zoo.recipe import Broken, Data, Given, Recipe, split

if TYPE_CHECKING:
    import torch

    from assay.remedies.training import Rows

__all__ = ["ATTACK", "DATA", "MODELS"]

CLASSES = tuple(str(digit) for digit in range(10))
NORMAL = ("normal", "anomaly")
HELD_OUT = 5
"""The digit that the autoencoder never saw."""
ATTACK: Mapping[str, float] = {"eps": 0.15, "steps": 5, "step": 0.05}
"""What `digits_cnn_pgd` is trained against: Linf radius, steps and their length, in shares of full ink."""
SATURATED = 1e4
"""What `digits_cnn_masking` multiplies its last layer by."""
CNN = {"widths": (16, 32), "hidden": 64}


def _digits() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Images uint8 (1797, 8, 8), 16 levels of ink spread over 0..255, and the digits."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.rint(found.images * (255 / 16)).astype(np.uint8)
    return images, found.target.astype(np.int64)


def _classes(folder: Path) -> None:
    images, digits = _digits()
    for role, rows in split("digits", len(digits), tuning=0.2, test=0.2).items():
        write_images(folder / FILES[role], images[rows], digits[rows], CLASSES)


def _anomalies(folder: Path) -> None:
    """Training and tuning hold normal digits only; the test rows hold the one that was held out, too."""
    images, digits = _digits()
    odd = (digits == HELD_OUT).astype(np.int64)
    for role, rows in split("digits", len(digits), tuning=0.2, test=0.2).items():
        kept = rows if role == "test" else rows[odd[rows] == 0]
        write_images(folder / FILES[role], images[kept], odd[kept], NORMAL)


DATA = (
    Data("digits", _classes, FILES, "scikit-learn's digits, 3 : 1 : 1", REQUEST),
    Data(
        "digits_anomaly",
        _anomalies,
        FILES,
        f"scikit-learn's digits, 3 : 1 : 1; {HELD_OUT} is an anomaly and stands in the test rows only",
        REQUEST,
    ),
)


def _signature() -> ModelSignature:
    image = ImageInput(channels=1, height=8, width=8)
    return ModelSignature(task="multiclass", output="logit", classes=CLASSES, image=image)


def _network(
    architecture: str,
    sizes: Mapping[str, Any],
    perturb: Callable[[torch.nn.Module], Callable[[Rows], Any]] | None = None,
    **training: Any,
) -> Callable[[Given, Path], None]:
    settings = {"batch_rows": 64, "learning_rate": 3e-3, "patience": None, **training}

    def make(given: Given, folder: Path) -> None:
        signature = _signature()
        rows = {role: read_images(given.files[role], CLASSES) for role in ("training", "tuning")}
        network = fitting.trained(
            architecture, sizes, signature, rows["training"], rows["tuning"], settings, perturb=perturb
        )
        fitting.write(network, folder)

    return make


def _pgd(module: torch.nn.Module) -> Callable[[Rows], torch.Tensor]:
    """Projected gradient ascent from a random start (Madry et al. 2018), batch statistics fixed."""
    import torch

    eps, step = ATTACK["eps"], ATTACK["step"]

    def perturb(batch: Rows) -> torch.Tensor:
        assert isinstance(batch.inputs, torch.Tensor)
        images, mode = batch.inputs, module.training
        module.eval()
        moved = (images + torch.empty_like(images).uniform_(-eps, eps)).clamp(0, 1)
        for _ in range(int(ATTACK["steps"])):
            moved.requires_grad_(True)
            loss = torch.nn.functional.cross_entropy(module(moved), batch.targets)
            (gradient,) = torch.autograd.grad(loss, moved)
            moved = moved.detach() + step * gradient.sign()
            moved = torch.min(torch.max(moved, images - eps), images + eps).clamp(0, 1)
        module.train(mode)
        return moved.detach()

    return perturb


def _autoencoder(given: Given, folder: Path) -> None:
    image = ImageInput(channels=1, height=8, width=8)
    signature = ModelSignature(task="binary", output="score", classes=NORMAL, image=image)
    rows = {role: read_images(given.files[role], NORMAL) for role in ("training", "tuning")}
    sizes = {"hidden": (48,), "latent": 12}
    settings = {"epochs": 60, "batch_rows": 64, "learning_rate": 3e-3, "patience": None}
    network = fitting.trained("autoencoder", sizes, signature, rows["training"], rows["tuning"], settings)
    limit = float(np.quantile(network.scores(rows["tuning"].inputs), 0.95))
    network.signature = signature.model_copy(update={"threshold": limit})
    fitting.write(network, folder)


def _masking(given: Given, folder: Path) -> None:
    """digits_cnn with a last layer so large that the softmax saturates: same answers, no gradients."""
    import torch

    from assay.models.torch_folder import FORMAT

    network = FORMAT.load(given.models["digits_cnn"], None, "cpu")
    with torch.no_grad():
        for parameter in network.module.get_submodule("head").parameters():
            parameter.mul_(SATURATED)
    fitting.write(network, folder)


MODELS = (
    Recipe("digits_cnn", "digits", "torch_folder", _network("cnn", CNN, epochs=12), "cnn 16-32, undefended"),
    Recipe(
        "digits_cnn_pgd",
        "digits",
        "torch_folder",
        _network("cnn", CNN, _pgd, epochs=20),
        f"cnn 16-32, trained with PGD (Linf {ATTACK['eps']})",
    ),
    Recipe(
        "digits_lstm",
        "digits",
        "torch_folder",
        _network("lstm", {"hidden": 48}, epochs=25, learning_rate=5e-3),
        "lstm 48 over the rows of pixels",
    ),
    Recipe(
        "digits_autoencoder",
        "digits_anomaly",
        "torch_folder",
        _autoencoder,
        f"autoencoder 64-48-12 that never saw a {HELD_OUT}; the threshold flags 5 % of the tuning rows",
    ),
    Recipe(
        "digits_cnn_masking",
        "digits",
        "torch_folder",
        _masking,
        "digits_cnn with its last layer multiplied",
        Broken(
            f"Its logits are {SATURATED:,.0f} times those of digits_cnn: the softmax saturates, gradients "
            "vanish, attacks by gradient find little where there is much to find.",
            "robustness.pgd",
            "a warning of masked gradients",
            "digits_cnn",
        ),
        after=("digits_cnn",),
    ),
)
