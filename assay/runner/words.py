"""Small readings of what supervisor and child say to each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["doing_of", "share_of", "without_note"]


def without_note(listener: Callable[[float], None] | None) -> Callable[[float, str], None] | None:
    """A listener for (share, note) of one that wants the share alone."""
    return None if listener is None else lambda done, _note: listener(done)


def share_of(value: Any) -> float:
    """A done share inside [0, 1], whatever the child said."""
    return min(max(float(value), 0.0), 1.0) if isinstance(value, int | float) else 0.0


def doing_of(doing: str) -> str:
    """What goes behind "while": `running METHOD`, or what is a phrase already."""
    return doing if doing.endswith("ing") or " " in doing else f"running {doing}"
