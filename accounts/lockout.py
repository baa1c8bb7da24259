"""Whose sign-in failed, for the lock-out: the address as typed, whatever its case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["username_of"]


def username_of(request: Any, credentials: Mapping[str, Any] | None = None) -> str:
    found = credentials or {}
    name = found.get("email") or found.get("username") or found.get("login")
    if not name and request is not None:
        name = request.POST.get("login")
    return str(name or "").strip().lower()
