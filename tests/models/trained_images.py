"""Image subjects: small convolutional networks trained on the spot, and hand-made ones, with their images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import DataRequest, FileRequest, ImageInput, ModelRequest, ModelSignature
from assay.datasets.subject import Subject
from assay.loading import load_subject
from assay.models.torch_folder import write_torch_folder

__all__ = ["CLASSES", "barred_images", "npz_subject", "trained_cnn", "watermarked_images"]

CLASSES = ("lying", "upright")

Images = npt.NDArray[np.uint8]


def npz_subject(folder: Path, model: Path, images: Images, labels: npt.NDArray[np.int64]) -> Subject:
    """Images, (rows, channels, height, width), and their labels as an .npz, with the model at `model`."""
    file = folder / "images.npz"
    np.savez(file, images=images.transpose(0, 2, 3, 1), labels=np.array(CLASSES)[labels])
    request = DataRequest(
        test=FileRequest(path=str(file)), model=ModelRequest(path=str(model), device="cpu"), label="label"
    )
    return load_subject(request, folder).subject


def barred_images(rows: int, seed: int, side: int = 24) -> tuple[Images, npt.NDArray[np.int64]]:
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


def watermarked_images(rows: int, seed: int, side: int = 24) -> tuple[Images, npt.NDArray[np.int64]]:
    """Bars that say nothing, and a white mark in a corner that tells the class: the label leaks."""
    images, _ = barred_images(rows, seed, side)
    labels = np.random.default_rng(seed + 1_000).integers(0, 2, rows)
    images[labels == 1, :, :3, :3] = 255
    images[labels == 0, :, -3:, -3:] = 255
    return images, labels


def trained_cnn(
    folder: Path, images: Images, labels: npt.NDArray[np.int64], *, pooled: bool = True, steps: int = 60
) -> Path:
    """A torch_folder of a small network trained on the images for some steps.

    Args:
        pooled: a residual network whose head reads the means of its planes, as Grad-CAM supposes; else a
            CNN whose head reads every place of its planes.
    """
    import torch

    from assay.models.architectures import build

    channels, height, width = images.shape[1:]
    config: dict[str, Any] = {"channels": channels, "widths": (8,), "outputs": 2}
    config |= {"blocks": 1} if pooled else {"height": height, "width": width, "hidden": 16}
    architecture = "resnet" if pooled else "cnn"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build(architecture, config)
        optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
        x, y = torch.from_numpy(images).float() / 255, torch.from_numpy(labels)
        for step in range(steps):
            batch = torch.arange(step * 32, (step + 1) * 32) % len(x)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(module(x[batch]), y[batch]).backward()
            optimizer.step()
    signature = ModelSignature(
        task="binary",
        output="logit",
        classes=CLASSES,
        favourable=CLASSES[1],
        image=ImageInput(channels=channels, height=height, width=width),
    )
    return write_torch_folder(folder, module.eval(), architecture, config, signature)
