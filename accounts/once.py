"""A secret that is shown once: kept in the session between the POST that made it and the page after it."""

from __future__ import annotations

from typing import Any

__all__ = ["keep", "take"]


def keep(request: Any, kind: str, **shown: str) -> None:
    request.session[f"once:{kind}"] = shown


def take(request: Any, kind: str) -> dict[str, str] | None:
    """What was kept, gone from now on."""
    found: dict[str, str] | None = request.session.pop(f"once:{kind}", None)
    return found
