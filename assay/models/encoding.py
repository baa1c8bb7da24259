"""Raw rows to numbers: the one place where a table's columns become what a model reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import InputColumn
from assay.errors import BadInput

__all__ = ["TableEncoder", "own_values", "reads_words"]

Floats = npt.NDArray[np.float64]


class TableEncoder:
    """Encodes rows of original values by their columns' rules (see `contracts.InputColumn`).

    Attributes:
        width: numbers a row becomes.
        starts: first encoded place of each column.

    Raises BadInput: a column whose words no number stands for (`value`).
    """

    def __init__(self, columns: Sequence[InputColumn]) -> None:
        if reads_words(columns):
            raise BadInput(
                'The signature gives a column the encoding "value", but the model takes numbers: write '
                '"code" or '
                '"one_hot".'
            )
        self.columns = tuple(columns)
        widths = [column.width for column in columns]
        self.starts = [int(place) for place in np.concatenate([[0], np.cumsum(widths)])[:-1]]
        self.width = int(sum(widths))
        plain = [i for i, column in enumerate(columns) if column.encoding != "one_hot"]
        self._plain = np.array(plain, dtype=np.int64)
        self._places = np.array([self.starts[i] for i in plain], dtype=np.int64)
        self._mean = np.array([columns[i].mean if columns[i].encoding == "standard" else 0.0 for i in plain])
        self._scale = np.array(
            [columns[i].scale if columns[i].encoding == "standard" else 1.0 for i in plain]
        )
        self._fill = np.array([columns[i].encoding == "standard" for i in plain], dtype=bool)
        self._one_hot = [i for i, column in enumerate(columns) if column.encoding == "one_hot"]

    def encode(self, rows: npt.NDArray[np.floating], dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
        """(rows, columns) of original values and category indices -> (rows, width) of `dtype`, a float's."""
        found = np.zeros((len(rows), self.width), dtype=dtype)
        if self._plain.size:
            values = (rows[:, self._plain] - self._mean) / self._scale
            found[:, self._places] = np.where(np.isnan(values) & self._fill, 0.0, values)
        for i in self._one_hot:
            code = rows[:, i]
            known = np.flatnonzero((code >= 0) & (code < len(self.columns[i].categories)))
            found[known, self.starts[i] + code[known].astype(np.int64)] = 1.0
        return found


def reads_words(columns: Sequence[InputColumn]) -> bool:
    """Whether a model takes some of these columns as words."""
    return any(column.encoding == "value" for column in columns)


def own_values(column: InputColumn, stored: npt.NDArray[np.floating]) -> npt.NDArray[Any]:
    """One column as a model reads it that takes its columns one by one, (rows,).

    Words, None where missing, for encoding `value`; float64 for the others, NaN where missing under
    `identity` and `code`. A column of `one_hot` is several and has no such values.
    """
    if column.encoding == "value":
        words = np.array([*column.categories, None], dtype=object)
        known = (stored >= 0) & (stored < len(column.categories))
        return words[np.where(known, stored, len(words) - 1).astype(np.int64)]
    values = np.asarray(stored, dtype=np.float64)
    if column.encoding != "standard":
        return values
    scaled = (values - column.mean) / column.scale
    return np.where(np.isnan(scaled), 0.0, scaled)
