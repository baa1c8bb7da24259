"""Image subjects: small convolutional networks trained on the spot, and hand-made ones, with their images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import ImageInput, ModelRequest, ModelSignature
from assay.datasets.subject import Subject
from assay.loading import load_model
from assay.models.torch_folder import write_torch_folder
from tests.support import table_subject

__all__ = ["barred_images", "image_subject", "trained_cnn", "watermarked_images"]

Images = npt.NDArray[np.uint8]


def image_subject(folder: Path, model: Path, images: Images, labels: Sequence[str]) -> Subject:
    """Images, (rows, channels, height, width), and their labels with the model at `model`."""
    loaded = load_model(ModelRequest(path=str(model), device="cpu"))
    data = table_subject(
        folder,
        {"label": list(labels), "guess": list(labels)},
        label="label",
        predictions="guess",
        favourable="upright",
    )
    profile = data.profile.model_copy(
        update={
            "modality": "image",
            "grade": "executed",
            "capabilities": tuple(dict.fromkeys([*data.profile.capabilities, *loaded.capabilities])),
            "model": loaded.facts,
            "model_signature": loaded.signature,
        }
    )
    return Subject(profile, {"test": data.dataset("test")}, model=loaded, images={"test": images})


def barred_images(rows: int, seed: int, side: int = 16) -> tuple[Images, npt.NDArray[np.int64]]:
    """Noise with a bar in the middle: upright in class 1, lying in class 0."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows)
    images = rng.integers(0, 60, (rows, 1, side, side))
    middle, half = side // 2, side // 4
    for image, label in zip(images, labels, strict=True):
        across = slice(middle - 1, middle + 1)
        along = slice(middle - half, middle + half)
        image[0][(along, across) if label else (across, along)] = 220
    return images.astype(np.uint8), labels


def watermarked_images(rows: int, seed: int, side: int = 16) -> tuple[Images, npt.NDArray[np.int64]]:
    """Bars that say nothing, and in class 1 a white mark in a corner: the label leaks."""
    images, _ = barred_images(rows, seed, side)
    labels = np.random.default_rng(seed + 1_000).integers(0, 2, rows)
    images[labels == 1, :, 0:2, 0:2] = 255
    return images, labels


def trained_cnn(
    folder: Path, images: Images, labels: npt.NDArray[np.int64], *, widths: Sequence[int] = (8, 8)
) -> Path:
    """A torch_folder of a small CNN trained on the images for a few hundred steps."""
    import torch

    from assay.models.architectures import build

    channels, height, width = images.shape[1:]
    config: Mapping[str, Any] = {
        "channels": channels,
        "height": height,
        "width": width,
        "widths": tuple(widths),
        "hidden": 16,
        "outputs": 2,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build("cnn", dict(config))
        optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
        x, y = torch.from_numpy(images).float() / 255, torch.from_numpy(labels)
        for step in range(150):
            batch = torch.arange(step * 64, (step + 1) * 64) % len(x)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(module(x[batch]), y[batch]).backward()
            optimizer.step()
    signature = ModelSignature(
        task="binary",
        output="logit",
        classes=("lying", "upright"),
        favourable="upright",
        image=ImageInput(channels=channels, height=height, width=width),
    )
    return write_torch_folder(folder, module.eval(), "cnn", config, signature)
