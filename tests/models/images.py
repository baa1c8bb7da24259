"""Subjects with images, made on the spot: a label file through the real intake, a model through its format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from assay.datasets.subject import Subject
from assay.registry import FORMATS
from tests.support import table_subject

__all__ = ["image_subject"]


def image_subject(folder: Path, model: Path, images: npt.NDArray[np.uint8], labels: Sequence[str]) -> Subject:
    """Test images (rows, channels, height, width) with their labels, and the torch_folder at `model`."""
    loaded = FORMATS.get("torch_folder").load(model, None, "cpu")
    signature = loaded.signature
    rows = {"row": list(range(len(labels))), "label": list(labels), "said": list(labels)}
    data = table_subject(folder, rows, label="label", predictions="said", identifier="row")
    profile = data.profile.model_copy(
        update={
            "modality": "image",
            "grade": "executed",
            "capabilities": (*data.profile.capabilities, *loaded.capabilities),
            "model": loaded.facts,
            "model_signature": signature,
        }
    )
    assert profile.signature.classes == signature.classes
    return Subject(profile, {"test": data.dataset("test")}, model=loaded, images={"test": images})
