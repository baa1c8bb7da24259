"""The API of models_registry."""

from __future__ import annotations

from ninja import Router

router = Router(tags=["models_registry"])
