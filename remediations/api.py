"""The API of remediations."""

from __future__ import annotations

from ninja import Router

router = Router(tags=["remediations"])
