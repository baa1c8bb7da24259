"""The second pass: typed columns into memory-mapped Arrow IPC files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from assay.contracts import ColumnSummary, DatasetProfile, DatasetRole, Joined
from assay.datasets.row_hash import Hashes
from assay.datasets.table import BATCH_ROWS, Table
from assay.errors import BadInput
from assay.intake.columns import ColumnPlan
from assay.intake.scan import ColumnScan

__all__ = ["TableWriter"]

_TYPES = {"number": pa.float64(), "category": pa.int32(), "text": pa.large_string()}


class TableWriter:
    """Writes one dataset and counts what stands in it.

    Args:
        path: the file to make.
        plans: one per column, in the order in which batches bring them.
    """

    def __init__(self, path: Path, plans: Sequence[ColumnPlan]) -> None:
        self._path = path
        self._plans = tuple(plans)
        self._schema = pa.schema([pa.field(f"{i}", _TYPES[p.kind]) for i, p in enumerate(self._plans)])
        with self._room():
            self._file = pa.ipc.new_file(str(path), self._schema)
        self._starts: list[int] = []
        self._rows = 0
        self._missing = [0] * len(self._plans)
        self._counts: list[npt.NDArray[np.int64] | None] = [
            np.zeros(len(plan.categories), dtype=np.int64) if plan.categories else None
            for plan in self._plans
        ]

    def append(self, columns: Sequence[pa.Array]) -> None:
        """Encode a batch of cleaned columns and write it, at most 65,536 rows a record batch."""
        encoded = [plan.encode(column) for plan, column in zip(self._plans, columns, strict=True)]
        batch = pa.record_batch(encoded, schema=self._schema)
        for first in range(0, batch.num_rows, BATCH_ROWS):
            piece = batch.slice(first, BATCH_ROWS)
            self._starts.append(self._rows)
            self._rows += piece.num_rows
            with self._room():
                self._file.write_batch(piece)
        for place, (plan, column) in enumerate(zip(self._plans, encoded, strict=True)):
            self._count(place, plan, column)

    def close(self) -> None:
        """End the file."""
        with self._room():
            self._file.close()

    def table(
        self,
        role: DatasetRole,
        name: str,
        digest: str,
        scans: Mapping[str, ColumnScan],
        set_aside: int,
        joined: tuple[Joined, ...] = (),
    ) -> Table:
        """The finished dataset with its profile."""
        columns = tuple(
            self._summary(plan, scans[plan.name], self._missing[place], self._counts[place])
            for place, plan in enumerate(self._plans)
        )
        profile = DatasetProfile(
            role=role,
            name=name,
            sha256=digest,
            rows=self._rows,
            columns=columns,
            set_aside=set_aside,
            joined=joined,
        )
        hashes: dict[str, Hashes] = {
            plan.name: plan.hashes for plan in self._plans if plan.hashes is not None
        }
        return Table(profile, self._path, self._starts, hashes)

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise BadInput(
                f"The {self._path.stem} table cannot be written to the scratch folder: {reason}. "
                "Free some space and run again."
            ) from None

    def _count(self, place: int, plan: ColumnPlan, column: pa.Array) -> None:
        if plan.kind == "text":
            self._missing[place] += column.null_count
        elif plan.kind == "number":
            self._missing[place] += int(np.isnan(np.asarray(column)).sum())
        else:
            codes = np.asarray(column)
            self._missing[place] += int((codes < 0).sum())
            counts = self._counts[place]
            if counts is not None:
                counts += np.bincount(codes[codes >= 0], minlength=len(counts))

    def _summary(
        self, plan: ColumnPlan, scan: ColumnScan, missing: int, counts: npt.NDArray[np.int64] | None
    ) -> ColumnSummary:
        finite = scan.present - scan.not_a_number - scan.infinite
        numeric = plan.kind == "number" and finite > 0
        mean = scan.total / finite if numeric and np.isfinite(scan.total) else None
        return ColumnSummary(
            name=plan.name,
            kind=plan.kind,
            rows=self._rows,
            missing=missing,
            distinct=_distinct(plan, scan, counts),
            minimum=scan.minimum if numeric else None,
            maximum=scan.maximum if numeric else None,
            mean=mean,
            categories=plan.categories,
            counts=() if counts is None else tuple(int(count) for count in counts),
        )


def _distinct(plan: ColumnPlan, scan: ColumnScan, counts: npt.NDArray[np.int64] | None) -> int | None:
    if counts is not None:
        return int((counts > 0).sum())
    if plan.hashes is not None:
        return len(plan.hashes)
    return None if scan.values is None else scan.distinct()
