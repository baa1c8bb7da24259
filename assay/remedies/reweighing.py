"""Reweighing: weights under which the label does not depend on the group (Kamiran & Calders 2012)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import DatasetRole, SubjectProtocol
from assay.errors import BadInput, nearest

__all__ = ["Reweighing", "group_codes"]

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Reweighing:
    """w(a, y) = P(a) P(y) / P(a, y), of the rows that it was fitted on.

    With these weights every group has the same weighted share of every class, and each group and each class
    keeps its weight. Groups are the intersections of the chosen attributes; a missing value is a group.

    Source: Kamiran & Calders 2012, Data preprocessing techniques for classification without discrimination,
    section 4.3.
    """

    table: npt.NDArray[np.float64]
    """(groups, classes)."""

    @classmethod
    def fit(cls, groups: Codes, labels: Codes) -> Reweighing:
        """From group and class codes (rows,), both from 0; a cell without rows has weight 1."""
        counts = np.zeros((groups.max() + 1, labels.max() + 1))
        np.add.at(counts, (groups, labels), 1)
        expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / counts.sum()
        return cls(np.divide(expected, counts, out=np.ones_like(counts), where=counts > 0))

    def weights(self, groups: Codes, labels: Codes) -> npt.NDArray[np.float32]:
        """The weight of each row (rows,); 1 for a group or class that was not there when fitted."""
        known = (groups < self.table.shape[0]) & (labels < self.table.shape[1])
        found = np.ones(len(groups), dtype=np.float32)
        found[known] = self.table[groups[known], labels[known]]
        return found


def group_codes(
    subject: SubjectProtocol, role: DatasetRole, rows: npt.NDArray[Any], attributes: Sequence[str]
) -> Codes:
    """Codes (rows,) of the intersections of sensitive attributes; -1 (missing) counts as a value of its own.

    Codes mean the same in every dataset of the subject. Raises BadInput: an attribute that is not among the
    sensitive columns, or that a dataset lacks.
    """
    known = subject.profile.roles.sensitive
    table = subject.dataset(role)
    columns = {column.name for column in table.profile.columns}
    codes = np.zeros(len(rows), dtype=np.int64)
    for name in attributes:
        if name not in known:
            close = nearest(name, known)
            raise BadInput(
                f'"{name}" is to be reweighed but is no sensitive column; name it with --sensitive.'
                + (f" Close to it: {close}." if close else "")
            )
        if name not in columns:
            raise BadInput(f'{table.profile.name} ({role}) has no column "{name}", which is reweighed.')
        values = _values(subject, name)
        place = {value: code for code, value in enumerate(values)}
        # Each dataset numbers its own values; the missing one (-1) reaches the last place.
        lookup = np.array([*(place[value] for value in table.categories(name)), len(values)])
        stored = np.concatenate([batch.codes(name) for batch in table.batches([name])])[rows]
        codes = codes * (len(values) + 1) + lookup[stored]
    return codes


def _values(subject: SubjectProtocol, name: str) -> list[str]:
    """The values of a column over all datasets."""
    columns = [c for dataset in subject.profile.datasets for c in dataset.columns if c.name == name]
    return sorted({value for column in columns for value in column.categories})
