"""A child's questions to an endpoint, answered by the supervisor: the child has no network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from assay.endpoints.asker import Asker
from assay.errors import AssayError, ChildFailed
from assay.runner import protocol

__all__ = ["keeping", "reading", "reply"]


@contextlib.contextmanager
def keeping(asker: Asker | None) -> Iterator[None]:
    """What an endpoint answers meanwhile and is kept outlives this process, also before a failure."""
    try:
        yield
    finally:
        if asker is not None:
            asker.save()


@contextlib.contextmanager
def reading(asker: Asker | None) -> Iterator[None]:
    """While the child reads its data, an endpoint's answers are kept."""
    with keeping(asker):
        if asker is None:
            yield
            return
        asker.reading = True
        try:
            yield
        finally:
            asker.reading = False


def reply(asker: Asker | None, header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """The frame that answers a child's `query`; what goes wrong is told to it, and ends its work."""
    try:
        if asker is None:
            raise ChildFailed("The child asked an endpoint that nobody named.")
        answer, arrays = asker.answer(header, protocol.unpack_arrays(body))
    except AssayError as error:
        return {"kind": "refused", "code": error.code, "message": error.message}, b""
    return {"kind": "answer", **answer}, protocol.pack_arrays(arrays)
