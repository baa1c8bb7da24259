"""How a signer just showed who they are."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Proof"]


class Proof(NamedTuple):
    method: Literal["password", "mfa", "token"]
    at: float
    """Seconds since 1970."""
