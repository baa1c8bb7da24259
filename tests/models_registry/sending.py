"""Send bytes as a request does, without one."""

from __future__ import annotations

from io import BytesIO

from models_registry.models import Upload
from models_registry.services import receive

__all__ = ["add_chunk"]


def add_chunk(upload: Upload, offset: int, chunk: bytes) -> Upload:
    return receive(upload, offset, BytesIO(chunk).readinto)
