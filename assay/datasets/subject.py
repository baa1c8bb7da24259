"""What methods work on in the child: profile, tables, images, and the model where there is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from assay.contracts import DatasetRole, Profile
from assay.datasets.model_columns import column_reader
from assay.datasets.table import Batch, Table
from assay.errors import Internal

if TYPE_CHECKING:
    from assay.models.base import Inputs, Model

__all__ = ["Subject"]

Rows = npt.NDArray[np.int64]


class Subject:
    """A profile, its tables, and what the model reads of them.

    Args:
        images: role -> uint8 or float32 in [0, 1], (pictures, channels, height, width), memory-mapped; the
            column `profile.roles.image` says which picture a row has.
    """

    def __init__(
        self,
        profile: Profile,
        tables: Mapping[DatasetRole, Table],
        *,
        model: Model | None = None,
        images: Mapping[DatasetRole, npt.NDArray[Any]] | None = None,
    ) -> None:
        self.profile = profile
        self._tables = dict(tables)
        self._model = model
        self._images = dict(images or {})

    def dataset(self, role: DatasetRole) -> Table:
        """The table of that role. Raises Internal when the subject has none (ask the profile first)."""
        if role not in self._tables:
            raise Internal(f"The subject has no {role} dataset.")
        return self._tables[role]

    @property
    def model(self) -> Model:
        """The loaded model. Raises Internal without one (ask the profile's capabilities first)."""
        if self._model is None:
            raise Internal("The subject has no model.")
        return self._model

    @property
    def has_model(self) -> bool:
        return self._model is not None

    def with_model(self, profile: Profile, model: Model) -> Subject:
        """The same data with a model to ask."""
        return Subject(profile, self._tables, model=model, images=self._images)

    def with_test(self, profile: Profile, table: Table) -> Subject:
        """The same subject with another table of the test rows."""
        return Subject(profile, {**self._tables, "test": table}, model=self._model, images=self._images)

    def inputs(self, role: DatasetRole, rows: Rows) -> Inputs:
        """What the model reads of these rows, in original units; see `SubjectProtocol.inputs`."""
        rows = np.asarray(rows, dtype=np.int64)
        table = self.dataset(role)
        if self.profile.modality == "image":
            return self._pictures(role, rows)
        if self.profile.modality == "text":
            assert self.profile.roles.text is not None
            return _gather(table, [self.profile.roles.text], rows, _texts)
        signature = self.profile.model_signature
        assert signature is not None
        readers = [column_reader(table, column) for column in signature.columns]
        names = list(dict.fromkeys(reader.stored for reader in readers))

        def read(batch: Batch) -> npt.NDArray[np.float64]:
            return np.stack([reader.read(batch) for reader in readers], axis=1)

        return _gather(table, names, rows, read)

    def _pictures(self, role: DatasetRole, rows: Rows) -> npt.NDArray[np.float32]:
        column = self.profile.roles.image
        if column is None or role not in self._images:
            raise Internal(f"The {role} dataset has no images.")
        places = _gather(self.dataset(role), [column], rows, lambda batch: batch.numbers(column))
        found = self._images[role][np.asarray(places).astype(np.int64)]
        return np.asarray(found / np.float32(255) if found.dtype == np.uint8 else found, dtype=np.float32)

    def labels(self, role: DatasetRole, rows: Rows) -> npt.NDArray[Any]:
        """Class codes int64 (rows,), -1 = missing; float64 for a regression."""
        label = self.profile.roles.label
        if label is None:
            raise Internal("The subject has no label.")
        regression = self.profile.signature.task == "regression"

        def read(batch: Batch) -> npt.NDArray[Any]:
            return batch.numbers(label) if regression else batch.codes(label).astype(np.int64)

        return np.asarray(_gather(self.dataset(role), [label], np.asarray(rows, np.int64), read))


def _gather(
    table: Table, names: list[str], rows: Rows, read: Callable[[Batch], npt.NDArray[Any] | list[str]]
) -> npt.NDArray[Any] | list[str]:
    """Read the batches that hold `rows` and put the wanted ones in the order asked for."""
    if rows.size == 0:
        empty: list[str] = []
        return next((read(batch)[:0] for batch in table.batches(names, 0, 1)), empty)
    order = np.argsort(rows, kind="stable")
    wanted = rows[order]
    arrays: list[npt.NDArray[Any]] = []
    texts: list[str] = []
    for batch in table.batches(names, int(wanted[0]), int(wanted[-1]) + 1):
        first, stop = np.searchsorted(wanted, (batch.start, batch.start + batch.rows))
        if first == stop:
            continue
        content, places = read(batch), wanted[first:stop] - batch.start
        if isinstance(content, list):
            texts += [content[place] for place in places]
        else:
            arrays.append(content[places])
    back = np.empty_like(order)
    back[order] = np.arange(order.size)
    return np.concatenate(arrays)[back] if arrays else [texts[place] for place in back]


def _texts(batch: Batch) -> list[str]:
    return batch.texts(batch.names[0])
