"""Which number of a model is explained, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from assay.contracts import ModelSignature

if TYPE_CHECKING:
    from assay.models.base import Model

__all__ = ["ExplainedOutput", "Output", "TreeMargin", "output_in_words", "output_unit"]

Floats = npt.NDArray[np.float64]


def output_unit(signature: ModelSignature, *, margin: bool = False) -> str:
    """Unit of what is explained; `margin`: of the sum over the trees."""
    if margin:
        return "log-odds" if signature.task == "binary" else "margin"
    if signature.task == "regression":
        return "label units"
    return "score" if signature.output == "score" else "probability"


def output_in_words(signature: ModelSignature, *, margin: bool = False) -> str:
    """What is explained, for a note: 'the probability of "yes"'."""
    if signature.task == "binary":
        found = f'the {output_unit(signature, margin=margin)} of "{signature.classes[1]}"'
        return f"{found} (the sum over the trees)" if margin else found
    if signature.task == "regression":
        return "the margin (the sum over the trees)" if margin else "the predicted number"
    return f"the {output_unit(signature, margin=margin)} of each row's predicted class"


class Output(Protocol):
    """Numbers of which one a row is explained."""

    def scores(self, inputs: npt.NDArray[Any]) -> Floats:
        """(rows, outputs); several outputs only for several classes."""
        ...

    def chosen(self, scores: Floats) -> npt.NDArray[np.int64]:
        """Which output of each row is explained, (rows,)."""
        ...


@dataclass(frozen=True)
class ExplainedOutput:
    """Probability of the favourable class, of the predicted one among several, or the number predicted."""

    model: Model

    def scores(self, inputs: npt.NDArray[Any]) -> Floats:
        found = self.model.scores(inputs)
        return found if self.model.signature.task == "multiclass" else found[:, -1:]

    def chosen(self, scores: Floats) -> npt.NDArray[np.int64]:
        if self.model.signature.task == "multiclass":
            return self.model.decide(scores)
        return np.zeros(len(scores), dtype=np.int64)


@dataclass(frozen=True)
class TreeMargin:
    """The sum over the trees: log-odds, the margin of the predicted class, or a regression's margin."""

    model: Any
    """An ensemble of trees: `encode`, `margins`, `booster`, `feature_columns`."""

    def scores(self, inputs: npt.NDArray[Any]) -> Floats:
        model = self.model
        parts = model.in_batches(len(inputs), lambda rows: model.margins(model.encode(inputs[rows])))
        return self.joined(np.concatenate(parts))

    def joined(self, found: Floats) -> Floats:
        """The difference where two classes have a margin each, which is the log-odds; last axis: outputs."""
        both = self.model.signature.task == "binary" and found.shape[-1] == 2
        return found[..., 1:] - found[..., :1] if both else found

    def chosen(self, scores: Floats) -> npt.NDArray[np.int64]:
        return np.asarray(np.argmax(scores, axis=1), dtype=np.int64)
