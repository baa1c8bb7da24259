"""Small readings of what a child says to its supervisor: whatever it is, nothing breaks or moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from assay.datasets.values import visible
from assay.errors import AssayError, Cancelled, ChildFailed, by_code

__all__ = ["doing_of", "said_in", "share_of", "told", "without_note"]


def without_note(listener: Callable[[float], None] | None) -> Callable[[float, str], None] | None:
    """A listener for (share, note) of one that wants the share alone."""
    return None if listener is None else lambda done, _note: listener(done)


def share_of(value: Any) -> float:
    """A done share inside [0, 1], whatever the child said."""
    try:
        share = float(value) if isinstance(value, int | float) else 0.0
    except OverflowError:
        return 0.0
    return min(max(share, 0.0), 1.0) if share == share else 0.0


def said_in(header: Mapping[str, Any], name: str, most: int) -> str:
    """A text of the child's, cut, with what would move a cursor or a line made visible."""
    return visible(str(header.get(name, ""))[:most])


def told(header: Mapping[str, Any]) -> AssayError:
    """The error that a child ended its work with. (That somebody cancelled it is not for it to say.)"""
    kind = by_code(str(header.get("code")))
    return (ChildFailed if kind is Cancelled else kind)(said_in(header, "message", 4_000))


def doing_of(doing: str) -> str:
    """What goes behind "while": `running METHOD`, or what is a phrase already."""
    return doing if doing.endswith("ing") or " " in doing else f"running {doing}"
