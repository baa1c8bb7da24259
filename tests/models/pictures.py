"""Small networks over images and pictures for them, made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assay.contracts import ImageInput, ModelSignature
from assay.models.torch_folder import write_torch_folder

__all__ = ["squares", "tiny_cnn"]


def tiny_cnn(
    folder: Path,
    *,
    channels: int = 1,
    side: int = 8,
    classes: tuple[str, ...] = ("dark", "light"),
    seed: int = 0,
) -> Path:
    """A torch_folder of a small convolutional network with random weights, over square images."""
    import torch

    from assay.models.architectures import build

    torch.manual_seed(seed)
    config = {
        "channels": channels,
        "height": side,
        "width": side,
        "widths": (4,),
        "hidden": 8,
        "outputs": len(classes),
    }
    signature = ModelSignature(
        task="binary" if len(classes) == 2 else "multiclass",
        output="logit",
        classes=classes,
        image=ImageInput(channels=channels, height=side, width=side, mean=(0.5,), scale=(0.25,)),
    )
    return write_torch_folder(folder, build("cnn", config), "cnn", config, signature)


def squares(rows: int, *, side: int = 8, channels: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random pictures uint8 (rows, side, side, channels) and whether each is lighter than the median one."""
    pictures = np.random.default_rng(seed).integers(0, 256, (rows, side, side, channels), dtype=np.uint8)
    lightness = pictures.reshape(rows, -1).mean(axis=1)
    return pictures, np.where(lightness > np.median(lightness), "light", "dark")
