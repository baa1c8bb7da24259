"""Projected gradient descent: Assay's loop against a bare torch loop and ART, on one network, in one run.

Rows fall early on an undefended network, and Assay drops them; so the hardest case for it is a budget at
which none falls, where every step does all the work and looking for falls is pure overhead. Both are timed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["run"]

ROWS, STEPS, ROUNDS = 128, 20, 7
SIDE, WIDTHS = 28, (16, 32)
STILL, FALLING = 1e-6, 0.1


def run() -> dict[str, Any]:
    """Median seconds of each, in turn, and the ratios to the bare loop of the same round."""
    import torch

    from assay.contracts import ImageInput, ModelFacts, ModelSignature
    from assay.methods.robustness.attack_space import ImageSpace
    from assay.methods.robustness.descent import between, descend
    from assay.models.architectures import build
    from assay.models.torch_model import ArrayNetwork

    torch.manual_seed(0)
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    config = {"channels": 1, "height": SIDE, "width": SIDE, "widths": WIDTHS, "hidden": 128, "outputs": 10}
    signature = ModelSignature(
        task="multiclass",
        output="logit",
        classes=tuple("0123456789"),
        image=ImageInput(channels=1, height=SIDE, width=SIDE, mean=(0.3,), scale=(0.35,)),
    )
    facts = ModelFacts(
        name="cnn",
        format="torch_folder",
        sha256="0" * 64,
        architecture="cnn",
        parameters=0,
        weight_bytes=0,
        dtype="float32",
        device=device,
    )
    model = ArrayNetwork(build("cnn", config), signature, facts, architecture="cnn", config=config)
    images = np.random.default_rng(0).random((ROWS, 1, SIDE, SIDE), dtype=np.float32)
    labels = model.decide(model.scores(images))
    uniform = torch.from_numpy(np.random.default_rng(1).random(images.shape, dtype=np.float32)).to(device)
    space = ImageSpace(model, images, labels)
    targets = torch.from_numpy(labels).to(device)

    def ours(eps: float) -> int:
        here = space.within(eps)
        start = between(here, uniform)
        return int(descend(here, start, 2.5 * eps / STEPS, STEPS, lambda _share: None).sum())

    def bare(eps: float) -> int:
        x = torch.from_numpy(images).to(device)
        mean, scale = torch.tensor(0.3, device=device), torch.tensor(0.35, device=device)
        low, high = (x - eps).clamp(0, 1), (x + eps).clamp(0, 1)
        v = low + uniform * (high - low)
        for _ in range(STEPS):
            v.requires_grad_()
            loss = torch.nn.functional.cross_entropy(model.module((v - mean) / scale), targets)
            (gradient,) = torch.autograd.grad(loss, v)
            v = (v.detach() + 2.5 * eps / STEPS * gradient.sign()).clamp(low, high)
        with torch.no_grad():
            return int((model.module((v - mean) / scale).argmax(dim=1) != targets).sum())

    art = _art(model.module, images, labels, device)
    found: dict[str, Any] = {
        "rows": ROWS,
        "steps": STEPS,
        "device": device,
        "threads": torch.get_num_threads(),
    }
    for name, eps in (("still", STILL), ("falling", FALLING)):
        attacks: dict[str, Callable[[float], int]] = {"bare": bare, "assay": ours, "art": art}
        for attack in attacks.values():
            attack(eps)
        seconds: dict[str, list[float]] = {name: [] for name in attacks}
        fallen: dict[str, int] = {}
        for _ in range(ROUNDS):
            for attack_name, attack in attacks.items():
                start = time.perf_counter()
                fallen[attack_name] = attack(eps)
                seconds[attack_name].append(time.perf_counter() - start)
        ratios = {
            other: statistics.median(a / b for a, b in zip(seconds[other], seconds["bare"], strict=True))
            for other in ("assay", "art")
        }
        found[name] = {
            "eps": eps,
            "fallen": fallen,
            "seconds": {other: statistics.median(times) for other, times in seconds.items()},
            "ratio_to_bare": ratios,
        }
    return found


def _art(module: Any, images: np.ndarray, labels: np.ndarray, device: str) -> Callable[[float], int]:
    import torch
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import PyTorchClassifier

    classifier = PyTorchClassifier(
        model=module,
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=images.shape[1:],
        nb_classes=10,
        clip_values=(0.0, 1.0),
        preprocessing=(0.3, 0.35),
        device_type="gpu" if device.startswith("cuda") else "cpu",
    )

    def attack(eps: float) -> int:
        made = ProjectedGradientDescent(
            classifier,
            eps=eps,
            eps_step=2.5 * eps / STEPS,
            max_iter=STEPS,
            num_random_init=1,
            batch_size=ROWS,
            verbose=False,
        )
        moved = made.generate(images, y=labels)
        return int((classifier.predict(moved).argmax(axis=1) != labels).sum())

    return attack


if __name__ == "__main__":
    import json

    print(json.dumps(run(), indent=1))
