"""Which rows are explained, which output of the model, and against which background."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import Context, DatasetRole, Profile, SubjectProtocol
from assay.models.base import Inputs, Model, take

__all__ = ["AskedModel", "background_inputs", "class_in_question", "drawn_rows", "explained_rows"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_TABLE_CHUNK = 16_384
_OTHER_CHUNK = 256
"""Rows of one call between two reports of progress; the model cuts them further."""


def drawn_rows(total: int, count: int, rng: np.random.Generator) -> Integers:
    """`count` of `total` rows without replacement, ascending; all of them where there are no more."""
    if count >= total:
        return np.arange(total)
    return np.sort(rng.choice(total, count, replace=False)).astype(np.int64)


def explained_rows(profile: Profile, count: int, context: Context) -> Integers:
    """The rows of the asked dataset that are explained: the same ones in every shard."""
    return drawn_rows(profile.asked.rows, count, context.rng("rows"))


def background_inputs(subject: SubjectProtocol, count: int, context: Context) -> npt.NDArray[Any]:
    """Raw inputs of up to `count` training rows; of the rows that are asked about where there are none."""
    profile = subject.profile
    role: DatasetRole = "training" if profile.dataset("training") is not None else profile.asked_role
    dataset = profile.dataset(role)
    assert dataset is not None
    rows = drawn_rows(dataset.rows, count, context.rng("background"))
    return np.asarray(subject.inputs(role, rows))


def class_in_question(model: Model, scores: Floats) -> Integers:
    """Which column of the scores is explained, (rows,).

    Binary: class 1, the favourable one, in every row. Multiclass: the class predicted for the row.
    Regressions and plain scores: the one number there is.
    """
    if model.signature.task == "multiclass":
        return np.asarray(np.argmax(scores, axis=1), dtype=np.int64)
    return np.full(len(scores), scores.shape[1] - 1, dtype=np.int64)


class AskedModel:
    """A model asked by a shard: in pieces, with progress reported after each.

    Args:
        evaluations: how many rows the shard will ask about in all.
    """

    def __init__(self, model: Model, context: Context, evaluations: int) -> None:
        self.model = model
        self._context = context
        self._evaluations = max(evaluations, 1)
        self._done = 0

    def scores(self, inputs: Inputs) -> Floats:
        """Probabilities or scores, (rows, outputs)."""
        chunk = _TABLE_CHUNK if self.model.signature.modality == "table" else _OTHER_CHUNK
        parts: list[Floats] = []
        for first in range(0, len(inputs), chunk):
            piece = take(inputs, slice(first, first + chunk))
            parts.append(self.model.scores(piece))
            self.advance(len(piece))
        return np.concatenate(parts) if parts else np.zeros((0, self.model.outputs))

    def score(self, inputs: Inputs, output: int) -> Floats:
        """One column of `scores`, (rows,)."""
        return self.scores(inputs)[:, output]

    def advance(self, evaluations: int) -> None:
        """Count evaluations made elsewhere, and report the share that is done."""
        self._done += evaluations
        self._context.progress(self._done / self._evaluations)
