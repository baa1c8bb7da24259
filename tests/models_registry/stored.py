"""Stored files for the registry's tests: a small network, an XGBoost-free pickle, a table of loans."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from accounts.models import Organisation
from models_registry import files
from models_registry.models import StoredFile
from tests.command import loans, write_csv
from tests.models.made import linear_folder, number

__all__ = ["PICKLE", "folder", "loans_csv", "stored"]

PICKLE = b"\x80\x04\x95\x10\x00sklearn.linear_model"


def stored(organisation: Organisation, content: bytes) -> StoredFile:
    return files.keep(organisation, [content])


def folder(weight: float = 1.0) -> dict[str, bytes]:
    """The files of a linear torch_folder that reads income."""
    with tempfile.TemporaryDirectory() as name:
        made = linear_folder(Path(name) / "linear", [number("income", mean=1_500, scale=2_000)], [weight])
        return {path.name: path.read_bytes() for path in sorted(made.iterdir())}


def loans_csv(rows: int = 200, **columns: Any) -> bytes:
    with tempfile.TemporaryDirectory() as name:
        return write_csv(Path(name) / "loans.csv", {**loans(rows), **columns}).read_bytes()
