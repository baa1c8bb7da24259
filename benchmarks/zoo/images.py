"""Image data files of the zoo: npz with uint8 images and the class name of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import DatasetRole
from benchmarks.zoo.fitting import Labelled

__all__ = ["FILES", "REQUEST", "read_images", "write_images"]

FILES: Mapping[DatasetRole, str] = {"training": "train.npz", "tuning": "tuning.npz", "test": "test.npz"}
REQUEST: Mapping[str, Any] = {"label": "label"}


def write_images(
    path: Path, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], classes: Sequence[str]
) -> None:
    """Grey images (rows, height, width), and the name of each row's class."""
    np.savez_compressed(path, images=images, labels=np.array(classes)[labels])


def read_images(path: Path, classes: Sequence[str]) -> Labelled:
    """What a model reads of them, float32 (rows, 1, height, width) in [0, 1], and class codes."""
    with np.load(path, allow_pickle=False) as found:
        codes = {name: code for code, name in enumerate(classes)}
        labels = np.array([codes[str(name)] for name in found["labels"]], dtype=np.int64)
        return Labelled(found["images"][:, None].astype(np.float32) / np.float32(255), labels)
