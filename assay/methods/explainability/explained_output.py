"""Which number of a model is explained, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from assay.contracts import ModelSignature

if TYPE_CHECKING:
    from assay.models.base import Model

__all__ = ["ExplainedOutput", "output_in_words", "output_unit"]

Floats = npt.NDArray[np.float64]


def output_unit(signature: ModelSignature) -> str:
    """Unit of `ExplainedOutput.scores`."""
    if signature.task == "regression":
        return "label units"
    return "score" if signature.output == "score" else "probability"


def output_in_words(signature: ModelSignature) -> str:
    """What is explained, for a note: "the probability of "yes""."""
    if signature.task == "regression":
        return "the predicted number"
    if signature.task == "binary":
        return f'the {output_unit(signature)} of "{signature.favourable or signature.classes[1]}"'
    return f"the {output_unit(signature)} of each row's predicted class"


@dataclass(frozen=True)
class ExplainedOutput:
    """Probability of the favourable class, of the predicted one among several, or the number predicted."""

    model: Model

    def scores(self, inputs: npt.NDArray[Any]) -> Floats:
        """(rows, outputs); several outputs only for several classes."""
        found = self.model.scores(inputs)
        return found if self.model.signature.task == "multiclass" else found[:, -1:]

    def chosen(self, scores: Floats) -> npt.NDArray[np.int64]:
        """Which output of each row is explained, (rows,)."""
        if self.model.signature.task == "multiclass":
            return self.model.decide(scores)
        return np.zeros(len(scores), dtype=np.int64)
