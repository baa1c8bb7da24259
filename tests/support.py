"""What many tests share: subjects made from columns through the real intake."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.contracts import DataRequest, FileRequest
from assay.datasets.subject import Subject
from assay.intake.table import take_in


def write_csv(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """A CSV file of `columns`; None becomes an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def table_subject(
    folder: Path,
    columns: Mapping[str, Sequence[Any]],
    *,
    training: Mapping[str, Sequence[Any]] | None = None,
    tuning: Mapping[str, Sequence[Any]] | None = None,
    **request: Any,
) -> Subject:
    """Write the columns as CSV files and take them in; `request` are fields of DataRequest."""
    files: dict[str, FileRequest] = {"test": FileRequest(path=str(write_csv(folder / "test.csv", columns)))}
    for role, content in (("training", training), ("tuning", tuning)):
        if content is not None:
            files[role] = FileRequest(path=str(write_csv(folder / f"{role}.csv", content)))
    return take_in(DataRequest(**files, **request), folder)
