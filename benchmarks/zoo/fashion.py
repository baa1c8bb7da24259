"""Fashion-MNIST's sprite: 900 pictures of clothes, 28 x 28 (Xiao et al. 2017), split 3 : 1 : 1.

The picture holds 30 x 30 of them without a gap; each class takes three rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assay.contracts import ImageInput, ModelSignature
from benchmarks.zoo import cache, fitting
from benchmarks.zoo.images import FILES, REQUEST, read_images, write_images
from benchmarks.zoo.recipe import Data, Given, Recipe, split

__all__ = ["DATA", "MODELS"]

CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
SIDE, ACROSS = 28, 30


def _sprite(folder: Path) -> None:
    from PIL import Image

    with Image.open(cache.real_file("fashion_mnist_sprite", "fashion-mnist-sprite.png")) as picture:
        grey = np.asarray(picture.convert("L"))
    images = grey.reshape(ACROSS, SIDE, ACROSS, SIDE).swapaxes(1, 2).reshape(-1, SIDE, SIDE)
    labels = np.repeat(np.arange(len(CLASSES)), len(images) // len(CLASSES))
    for role, rows in split("fashion", len(labels), tuning=0.2, test=0.2).items():
        write_images(folder / FILES[role], images[rows], labels[rows], CLASSES)


def _network(given: Given, folder: Path) -> None:
    signature = ModelSignature(
        task="multiclass",
        output="logit",
        classes=CLASSES,
        image=ImageInput(channels=1, height=SIDE, width=SIDE),
    )
    rows = {role: read_images(given.files[role], CLASSES) for role in ("training", "tuning")}
    settings = {"epochs": 12, "batch_rows": 64, "learning_rate": 2e-3, "patience": None}
    sizes = {"widths": (16, 32), "hidden": 64}
    fitting.write(
        fitting.trained("cnn", sizes, signature, rows["training"], rows["tuning"], settings), folder
    )


DATA = (Data("fashion", _sprite, FILES, "Fashion-MNIST's sprite of 900 pictures, 3 : 1 : 1", REQUEST),)
MODELS = (Recipe("fashion_cnn", "fashion", "torch_folder", _network, "cnn 16-32"),)
