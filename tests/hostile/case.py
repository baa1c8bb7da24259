"""A hostile thing that somebody hands in, and what the refusal must say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Hostile"]


@dataclass(frozen=True)
class Hostile:
    """One case of the corpus; `CASES` of every module beside this one are tried by test_refused.py."""

    name: str
    make: Callable[[Path], Path]
    """Writes the thing below a folder and returns its path. What executes touches `folder / "RAN"`."""
    says: str
    """A regular expression that the refusal matches. What only a limit stops says "its limit is" here."""
    kind: Literal["model", "data"] = "model"
