"""Zoo models and loaded subjects for tests of any room."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.contracts import DatasetRole
from assay.datasets.subject import Subject
from assay.loading import load_subject
from benchmarks import zoo

__all__ = ["zoo_model", "zoo_subject"]


def zoo_model(name: str) -> zoo.ZooModel:
    """The model, trained at the first call; skips the test with the reason where it cannot be made."""
    try:
        return zoo.model(name)
    except zoo.NotHere as missing:
        pytest.skip(f"zoo model {name}: {missing}")


def zoo_subject(name: str, scratch: Path, *roles: DatasetRole) -> Subject:
    """The model loaded with its data through the real loader; default roles: all that it has."""
    return load_subject(zoo_model(name).data_request(*roles), scratch).subject
