"""From what an endpoint calls an answer to one of the classes; what fits none is never guessed."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import ModelSignature
from assay.models.endpoint import NO_CLASS

__all__ = ["Answered", "class_of", "label_outputs", "no_class_row", "normalised"]

Floats = npt.NDArray[np.float64]
_EDGES = string.punctuation + string.whitespace + "“”„‘’«»…"


class Answered(NamedTuple):
    """Outputs of some rows, (rows, outputs); which named no class, (rows,); one of those answers; how many of
    them were cut at the most tokens that an answer may have."""

    outputs: Floats
    lost: npt.NDArray[np.bool_]
    example: str = ""
    cut: int = 0


def normalised(text: str) -> str:
    """Compatible characters, lower case, single blanks, no punctuation at the edges."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_EDGES)


def class_of(answer: str, classes: Sequence[str]) -> int | None:
    """The class that an answer names: to the letter, else normalised; None for none or more than one."""
    if answer in classes:
        return list(classes).index(answer)
    wanted = normalised(answer)
    found = [place for place, name in enumerate(classes) if normalised(name) == wanted]
    return found[0] if len(found) == 1 else None


def label_outputs(codes: Sequence[int | None], signature: ModelSignature) -> Floats:
    """One-hot (rows, classes) of class codes; None becomes `no_class_row`."""
    found = np.zeros((len(codes), len(signature.classes)))
    for row, code in enumerate(codes):
        found[row] = no_class_row(signature) if code is None else np.eye(len(signature.classes))[code]
    return found


def no_class_row(signature: ModelSignature) -> Floats:
    """The outputs of an answer that named no class: a class of its own, or nothing for class 1 of two."""
    found = np.zeros(len(signature.classes))
    found[-1 if signature.classes[-1] == NO_CLASS else 0] = 1.0
    return found
