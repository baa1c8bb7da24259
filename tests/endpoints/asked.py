"""Requests and askers for a served model, with no pauses and no waiting in real time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import EndpointRequest, InputColumn, ModelSignature, TextInput
from assay.endpoints.address import Access
from assay.endpoints.asker import Asker
from assay.models.base import Inputs
from tests.endpoint_server import EndpointServer

__all__ = ["MADE", "NUMBERS", "TEXTS", "asker", "outputs", "request"]

MADE: list[Asker] = []
"""Askers of the test that runs; closed when it ends."""
NUMBERS = ModelSignature(
    task="binary",
    output="probability",
    classes=("no", "yes"),
    columns=tuple(InputColumn(name=name, kind="number", encoding="identity") for name in ("x1", "x2")),
)
TEXTS = ModelSignature(task="binary", output="label", classes=("bad", "good"), text=TextInput())


def request(
    server: EndpointServer,
    signature: ModelSignature = NUMBERS,
    protocol: str = "open_inference_v2",
    **more: Any,
) -> EndpointRequest:
    """A request to the served model; keywords are limits, or fields of the request where it has them."""
    own = {name: more.pop(name) for name in ("key", "template", "url") if name in more}
    base = server.url if protocol == "open_inference_v2" else f"{server.url}/v1"
    values = {"url": base, "protocol": protocol, "model": "tiny", "signature": signature, **own}
    limits = {"requests_per_second": 10_000, "timeout": 0.5, **more}
    return EndpointRequest.model_validate({**values, "limits": limits})


def asker(asked: EndpointRequest, *, pauses: list[float] | None = None, **more: Any) -> Asker:
    """An asker that may call this machine and writes down its pauses instead of making them."""
    kept: dict[str, Path] = {name: more.pop(name) for name in ("kept", "counts") if name in more}
    waited = pauses if pauses is not None else []
    MADE.append(Asker(asked, Access(private=True, **more), sleep=waited.append, **kept))
    return MADE[-1]


def outputs(found: Asker, inputs: Inputs) -> npt.NDArray[np.float64]:
    """The answers to rows, asked as a child asks."""
    found.answer({"what": "describe"}, {})
    if isinstance(inputs, np.ndarray):
        _, arrays = found.answer({"what": "rows", "rows": len(inputs)}, {"rows": inputs})
    else:
        _, arrays = found.answer({"what": "rows", "rows": len(inputs), "texts": list(inputs)}, {})
    return arrays["outputs"]
