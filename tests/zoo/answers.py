"""What a zoo model answers about all rows of a role."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import DatasetRole
from assay.datasets.subject import Subject

__all__ = ["Answers", "answers", "group_codes"]


class Answers(NamedTuple):
    """Scores (rows, classes), decided class codes (rows,) and the true ones."""

    scores: npt.NDArray[np.float64]
    decided: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        return float((self.decided == self.labels).mean())


def answers(subject: Subject, role: DatasetRole = "test") -> Answers:
    """Ask the model about every row."""
    dataset = subject.profile.dataset(role)
    assert dataset is not None
    rows = np.arange(dataset.rows)
    scores = subject.model.scores(subject.inputs(role, rows))
    return Answers(scores, subject.model.decide(scores), subject.labels(role, rows))


def group_codes(subject: Subject, attribute: str) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Group of every test row, and what the codes mean."""
    table = subject.dataset("test")
    codes = np.concatenate([batch.codes(attribute) for batch in table.batches([attribute])])
    return codes.astype(np.int64), table.profile.column(attribute).categories
