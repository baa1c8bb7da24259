"""The API of compliance."""

from __future__ import annotations

from ninja import Router

router = Router(tags=["compliance"])
