"""Subjects with images, made on the spot: an npz through the real intake, a model through its format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from assay.contracts import DataRequest, FileRequest, ModelRequest
from assay.datasets.subject import Subject
from assay.loading import load_subject

__all__ = ["image_subject"]


def image_subject(folder: Path, model: Path, images: npt.NDArray[np.uint8], labels: Sequence[str]) -> Subject:
    """Test images (rows, channels, height, width) with their labels, and the model at `model`."""
    file = folder / "test.npz"
    np.savez(file, images=images.transpose(0, 2, 3, 1), labels=np.array(labels))
    asked = DataRequest(
        test=FileRequest(path=str(file)), model=ModelRequest(path=str(model), device="cpu"), label="label"
    )
    return load_subject(asked, folder).subject
