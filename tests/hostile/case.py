"""A hostile thing that somebody hands in, and what Assay says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Hostile"]


@dataclass(frozen=True)
class Hostile:
    """`make` writes it below a folder and returns the path to hand in; `says` is a regex of the refusal."""

    name: str
    make: Callable[[Path], Path]
    says: str
    kind: Literal["model", "data"] = "model"
