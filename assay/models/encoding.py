"""Raw rows to numbers: the one place where a table's columns become what a model reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from assay.contracts import InputColumn

__all__ = ["TableEncoder"]

Floats = npt.NDArray[np.float64]


class TableEncoder:
    """Encodes rows of original values by their columns' rules (see `contracts.InputColumn`).

    Attributes:
        width: numbers a row becomes.
        starts: first encoded place of each column.
    """

    def __init__(self, columns: Sequence[InputColumn]) -> None:
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

    def encode(self, rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """(rows, columns) of original values and category indices -> float32 (rows, width)."""
        found = np.zeros((len(rows), self.width), dtype=np.float32)
        if self._plain.size:
            values = (rows[:, self._plain] - self._mean) / self._scale
            found[:, self._places] = np.where(np.isnan(values) & self._fill, 0.0, values)
        for i in self._one_hot:
            code = rows[:, i]
            known = np.flatnonzero((code >= 0) & (code < len(self.columns[i].categories)))
            found[known, self.starts[i] + code[known].astype(np.int64)] = 1.0
        return found
