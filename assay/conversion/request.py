"""What the owner said, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from assay.contracts import ModelSignature

__all__ = ["ConvertRequest", "Written"]


@dataclass(frozen=True)
class ConvertRequest:
    """The options of `assay convert`.

    Attributes:
        source: a file, or `module:attribute` where the owner's own code makes the model.
        shape: of one row, for networks of the owner's own: (features,) or (channels, height, width).
    """

    source: str
    out: Path
    checkpoint: Path | None = None
    signature: ModelSignature | None = None
    data: Path | None = None
    label: str | None = None
    favourable: str | None = None
    shape: tuple[int, ...] | None = None
    to: Literal["onnx", "pt2"] = "onnx"


@dataclass(frozen=True)
class Written:
    """A folder that `assay audit --model` takes, and what to tell the owner."""

    folder: Path
    came_as: str
    signature: ModelSignature | None
    """Null where the format tells it by itself and nothing was known besides."""
    notes: Sequence[str] = ()
    facts: dict[str, Any] = field(default_factory=dict)
