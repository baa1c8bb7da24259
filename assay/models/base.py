"""What every loaded model answers, whatever its format; in the child only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from assay.contracts import Capability, ModelFacts, ModelSignature
from assay.errors import BadInput

__all__ = ["Inputs", "Model", "take"]

Inputs = npt.NDArray[Any] | Sequence[str]
"""Raw rows in original units; see `SubjectProtocol.inputs`."""
Floats = npt.NDArray[np.float64]
T = TypeVar("T")


def take(inputs: Inputs, rows: slice | npt.NDArray[np.int64]) -> Inputs:
    """Some rows of an array or of a list of texts."""
    if isinstance(inputs, np.ndarray):
        return inputs[rows]
    if isinstance(rows, slice):
        return inputs[rows]
    return [inputs[int(row)] for row in rows]


class Model(ABC):
    """A loaded model.

    Args:
        signature: what it reads and what its output means.
        facts: what the report says of it.
        batch_rows: most rows of one call; halved whenever memory runs out, which `notes` then say.
    """

    kind_capabilities: ClassVar[tuple[Capability, ...]] = ("query",)
    most_rows: ClassVar[int] = 65_536
    """Rows of one call that this kind of model takes at most, whatever was asked for."""

    def __init__(self, signature: ModelSignature, facts: ModelFacts, *, batch_rows: int = 1024) -> None:
        self.signature = signature
        self.facts = facts
        self.batch_rows = batch_rows
        self.notes: list[str] = []
        self.load_seconds: float | None = None
        """How long the format took; set by whoever loaded it. Never part of a profile or a plan."""
        self.reload: Callable[[], Model] | None = None
        """Loads a further copy in the same way."""

    @property
    def device(self) -> str:
        """`cpu`, `cuda:0`, ..."""
        return self.facts.device

    @property
    def runs_here(self) -> bool:
        """Whether its answers are computed on this machine."""
        return True

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """Those of the format, `probabilities` where the output has them, `local` where it runs here."""
        more: tuple[Capability, ...] = (
            ("probabilities",) if self.signature.output in ("logit", "probability") else ()
        )
        here: tuple[Capability, ...] = ("local",) if self.runs_here else ()
        return (*self.kind_capabilities, *more, *here)

    @property
    def outputs(self) -> int:
        """Columns of `scores`: one a class, or a single one for regressions and plain scores."""
        return 1 if self.signature.output == "score" else len(self.signature.classes)

    @property
    def threshold(self) -> float:
        """Decision threshold of a binary model, on `favourable_score`."""
        found = self.signature.threshold
        return 0.5 if found is None else found

    def scores(self, inputs: Inputs) -> Floats:
        """Probabilities (rows, classes); (rows, 1) for regressions and for models that give a plain score."""
        found = self.raw_outputs(inputs)
        return _softmax(found) if self.signature.output == "logit" else found

    def raw_outputs(self, inputs: Inputs) -> Floats:
        """What the model itself gives, (rows, outputs), before any softmax."""
        parts = self.in_batches(len(inputs), lambda rows: self._outputs(take(inputs, rows)))
        return np.concatenate(parts) if parts else np.zeros((0, self.outputs))

    def favourable_score(self, inputs: Inputs) -> Floats:
        """(rows,): probability or score of class 1 of a binary model, or the number a regression predicts."""
        return self.scores(inputs)[:, -1]

    def decide(self, scores: Floats) -> npt.NDArray[np.int64]:
        """Class codes (rows,) from `scores`: the threshold for binary models, else the largest score."""
        if self.signature.task == "binary":
            return np.asarray(scores[:, -1] >= self.threshold, dtype=np.int64)
        return np.asarray(np.argmax(scores, axis=1), dtype=np.int64)

    def in_batches(self, rows: int, call: Callable[[slice], T]) -> list[T]:
        """Call with consecutive slices of at most `batch_rows`; halves the batch when memory runs out."""
        found: list[T] = []
        first = 0
        while first < rows:
            piece = slice(first, min(first + self.batch_rows, rows))
            try:
                found.append(call(piece))
            except (MemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
                if self.batch_rows == 1:
                    raise BadInput(
                        f"{self.facts.name} needs more memory for a single row than {self.device} has."
                    ) from error
                self._halve()
                continue
            first = piece.stop
        return found

    @abstractmethod
    def _outputs(self, inputs: Inputs) -> Floats:
        """`raw_outputs` of one batch."""

    def _halve(self) -> None:
        self.batch_rows = max(1, self.batch_rows // 2)
        self.notes = [note for note in self.notes if not note.startswith("Memory ran out")]
        self.notes.append(f"Memory ran out on {self.device}: batches were cut to {self.batch_rows:,} rows.")


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()
