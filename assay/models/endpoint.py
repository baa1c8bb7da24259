"""A model behind an address. The child has no network: it hands rows to the supervisor, which asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from assay.contracts import Capability, EndpointFacts, EndpointRequest, ModelFacts, ModelSignature
from assay.errors import BadInput, ChildFailed
from assay.evidence import digest
from assay.models.base import Inputs, Model, take
from assay.models.likelihoods import Likelihoods

__all__ = [
    "LONGEST_TEXT",
    "NO_CLASS",
    "Ask",
    "EndpointLanguageModel",
    "EndpointModel",
    "asked_signature",
    "open_endpoint",
    "probe_rows",
]

Arrays = dict[str, npt.NDArray[Any]]
Ask = Callable[[dict[str, Any], Arrays], tuple[dict[str, Any], Arrays]]
"""Sends a message and arrays to the supervisor and returns what it answers."""
LONGEST_TEXT = 200_000
"""Characters of a text that an endpoint is sent."""
NO_CLASS = "(named no class)"
"""The category of answers that name none of the classes, where there are more than two."""


def asked_signature(request: EndpointRequest) -> ModelSignature:
    """The signature under which answers are measured.

    A chat can answer beside the list. With more than two classes, such answers are a class of their own, so
    that they count as wrong and stand in the confusion matrix; with two they are counted and stated apart.
    """
    signature = request.signature
    if request.protocol == "open_inference_v2" or signature.task != "multiclass":
        return signature
    return signature.model_copy(update={"classes": (*signature.classes, NO_CLASS)})


class EndpointModel(Model):
    """Answers `_outputs` by asking the supervisor."""

    kind_capabilities: ClassVar[tuple[Capability, ...]] = ("query",)
    most_rows: ClassVar[int] = 4_096

    def __init__(self, request: EndpointRequest, facts: ModelFacts, ask: Ask) -> None:
        super().__init__(asked_signature(request), facts)
        self._ask = ask
        self._unmatched = self._answered = 0

    @property
    def runs_here(self) -> bool:
        return False

    def foresee(self, rows: int) -> None:
        """Let the supervisor refuse before anything is asked. Raises LimitReached."""
        self._ask({"what": "foresee", "rows": int(rows)}, {})

    def set_canary(self, inputs: Inputs) -> None:
        """Have these rows asked about now and at the end."""
        self._send("canary", inputs)

    def count_anew(self) -> None:
        """Forget how many answers named no class: what comes now is what is measured."""
        self._unmatched = self._answered = 0
        self.notes = []

    def _outputs(self, inputs: Inputs) -> npt.NDArray[np.float64]:
        header, arrays = self._send("rows", inputs)
        self._count(int(header.get("unmatched", 0)), len(inputs))
        outputs = arrays.get("outputs")
        if outputs is None or outputs.shape != (len(inputs), self.outputs):
            raise ChildFailed("The supervisor's answer does not fit the rows.")
        return np.asarray(outputs, dtype=np.float64)

    def _send(self, what: str, inputs: Inputs) -> tuple[dict[str, Any], Arrays]:
        if isinstance(inputs, np.ndarray):
            return self._ask({"what": what, "rows": len(inputs)}, {"rows": inputs})
        longest = max(map(len, inputs), default=0)
        if longest > LONGEST_TEXT:
            raise BadInput(
                f"A text has {longest:,} characters; an endpoint is sent texts of at most {LONGEST_TEXT:,}. "
                "Cut it."
            )
        return self._ask({"what": what, "rows": len(inputs), "texts": list(inputs)}, {})

    def _count(self, unmatched: int, rows: int) -> None:
        self._unmatched += unmatched
        self._answered += rows
        if not self._unmatched:
            return
        counted = (
            f'are counted as the class "{NO_CLASS}", which is never right'
            if self.signature.task == "multiclass"
            else f'are counted as "{self.signature.classes[0]}" with a score of 0, since an answer that '
            f'names no class gives nobody "{self.signature.classes[1]}"'
        )
        self.notes = [
            f"{self._unmatched:,} of {self._answered:,} answers of the endpoint named none of the classes; "
            f"they {counted}."
        ]


class EndpointLanguageModel(EndpointModel):
    """A language model behind an address: its score of a text is the text's log-likelihood in nats."""

    kind_capabilities: ClassVar[tuple[Capability, ...]] = ("query", "tokens", "generation")

    def __init__(self, request: EndpointRequest, facts: ModelFacts, ask: Ask) -> None:
        super().__init__(request, facts, ask)
        self.batch_rows = request.limits.batch_rows

    def likelihoods(self, texts: Inputs) -> Likelihoods:
        """Log-likelihoods of texts, each asked about as a whole. Which tokens are unknown is not told."""
        parts = self.in_batches(len(texts), lambda rows: self._told(take(texts, rows)))
        found = np.concatenate([np.zeros((0, 2)), *parts])
        return Likelihoods(
            found[:, 0],
            found[:, 1].astype(np.int64),
            np.array([len(text.encode()) for text in texts], dtype=np.int64),
            np.zeros(len(texts), dtype=np.int64),
        )

    def _outputs(self, inputs: Inputs) -> npt.NDArray[np.float64]:
        return self._told(inputs)[:, :1]

    def _told(self, texts: Inputs) -> npt.NDArray[np.float64]:
        """(texts, 2): nats and scored tokens."""
        _, arrays = self._send("rows", texts)
        found = arrays.get("outputs")
        if found is None or found.shape != (len(texts), 2):
            raise ChildFailed("The supervisor's answer does not fit the texts.")
        return np.asarray(found, dtype=np.float64)


def open_endpoint(request: EndpointRequest, ask: Ask | None) -> EndpointModel:
    """The model at an address; asks it what it is, and nothing about rows.

    Raises:
        BadInput: nobody here can call endpoints, or the endpoint does not fit the signature.
    """
    if ask is None:
        raise BadInput("Endpoints are asked by the supervisor of a child, and there is none here.")
    header, _ = ask({"what": "describe"}, {})
    described = request.model_dump(mode="json", exclude={"limits", "key", "seed"})
    facts = ModelFacts(
        name=request.model,
        format="endpoint",
        sha256=digest(described),
        architecture="not known: asked over HTTP",
        parameters=0,
        weight_bytes=0,
        dtype="not known",
        device="remote",
        endpoint=EndpointFacts(
            host=str(header["host"]),
            protocol=request.protocol,
            model=request.model,
            rows_per_request=int(header["rows_per_request"]),
            most_requests=request.limits.most_requests,
        ),
    )
    kind = EndpointLanguageModel if request.signature.task == "generation" else EndpointModel
    model = kind(request, facts, ask)
    model.notes.extend(str(note) for note in header["notes"])
    return model


def probe_rows(signature: ModelSignature) -> Inputs:
    """Two plausible rows made from the signature alone: to see whether a model answers, without any data."""
    if signature.columns:
        row = [
            _middle(c.minimum, c.maximum, c.mean) if c.kind == "number" else 0.0 for c in signature.columns
        ]
        return np.array([row, row], dtype=np.float64)
    if signature.image is not None:
        shape = (2, signature.image.channels, signature.image.height, signature.image.width)
        return np.full(shape, 0.5, dtype=np.float32)
    return ["This is a text.", "This is another one."]


def _middle(low: float | None, high: float | None, mean: float) -> float:
    if low is not None and high is not None:
        return min(max(mean, low), high)
    return mean
