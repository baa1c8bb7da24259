"""Data by itself: what its columns hold, before anybody says which model or predictions they belong to.

One pass over each file, in bounded memory. Nothing is decided about the task, so data without a label, with
a label of one class, or with predictions still to come can be registered; an audit decides later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from assay.contracts import (
    QUANTILE_SHARES,
    ColumnSummary,
    DataReport,
    DataRequest,
    DatasetProfile,
    DatasetRole,
    ModelRequest,
    Quantiles,
    Roles,
)
from assay.errors import BadInput
from assay.intake.column_names import IMAGE, PICTURE
from assay.intake.columns import ColumnPlan, plan_as, plan_cluster, plan_feature, plan_sensitive
from assay.intake.roles import ColumnRoles
from assay.intake.scan import ColumnScan
from assay.intake.survey import Survey
from assay.intake.surveys import survey_files

__all__ = ["describe_data"]

_FEWEST = 40
"""Numbers of which quantiles are told."""
_ORDER: tuple[DatasetRole, ...] = ("test", "training", "tuning", "asked")


def describe_data(
    request: DataRequest, scratch: Path, progress: Callable[[float], None] | None = None
) -> DataReport:
    """Summarise every column of every file of `request`, under the rules of `take_in`.

    Args:
        request: files, column roles and options; a model or predictions in it are not looked at.
        scratch: where pictures are unpacked to.
        progress: called with the done share, 0..1.

    Raises:
        BadInput: a file that is no table or image data, a column that is not there, a missing label (unless
            allow_missing), a sensitive column that was named and cannot be grouped.
    """
    # A model that comes later decides about predictions; none are looked for by their names.
    later = request.model_copy(
        update={
            "model": ModelRequest(path="later"),
            "predictions": None,
            "scores": None,
            "predictions_file": None,
        }
    )
    found = survey_files(later, scratch, progress or (lambda _share: None), sketched=True)
    later, notes = found.request, found.notes
    sensitive = list(found.roles.sensitive)
    datasets: dict[DatasetRole, DatasetProfile] = {}
    for done in found.surveys:
        for role in done.scans:
            datasets[role] = _dataset(done, role, later, found.roles, sensitive, notes)
    leading = request.leading[0]
    return DataReport(
        modality="image" if found.pictures else "table" if found.roles.text is None else "text",
        roles=_roles(found.roles, tuple(sensitive), datasets[leading]),
        datasets=tuple(datasets[role] for role in _ORDER if role in datasets),
        quantiles={
            role: told
            for done in found.surveys
            for role, scans in done.scans.items()
            if (told := _quantiles(datasets[role], scans))
        },
        notes=tuple(dict.fromkeys([*found.roles.notes, *notes])),
    )


def _quantiles(dataset: DatasetProfile, scans: Mapping[str, ColumnScan]) -> dict[str, Quantiles]:
    """Of the columns of numbers whose values are enough to hide a row among them."""
    found = {}
    for column in dataset.columns:
        sketch = scans[column.name].sketch
        if column.kind == "number" and sketch is not None and sketch.count >= _FEWEST:
            values = sketch.quantiles(QUANTILE_SHARES)
            found[column.name] = Quantiles(values=values, error=sketch.error)
    return found


def _dataset(
    done: Survey,
    role: DatasetRole,
    request: DataRequest,
    roles: ColumnRoles,
    sensitive: list[str],
    notes: list[str],
) -> DatasetProfile:
    scans = done.scans[role]
    summaries = [
        _summary(scan, _plan(done.source.name, scan, request, roles, sensitive, notes))
        for scan in scans.values()
        if scan.name not in (IMAGE, PICTURE) or roles.image is None
    ]
    return DatasetProfile(
        role=role,
        name=done.source.name,
        sha256=done.digest,
        rows=max((scan.rows for scan in scans.values()), default=0),
        columns=tuple(summaries),
        set_aside=done.set_aside if role == request.leading[0] else 0,
        joined=done.joined.get(role, ()),
    )


def _plan(
    name: str,
    scan: ColumnScan,
    request: DataRequest,
    roles: ColumnRoles,
    sensitive: list[str],
    notes: list[str],
) -> ColumnPlan:
    if scan.name in sensitive:
        try:
            if not scan.present:
                raise BadInput(
                    f'{name} column "{scan.name}" (sensitive) has no value in any row, so it forms no groups.'
                )
            return plan_sensitive(name, scan, request.bins, request.max_groups)
        except BadInput as error:
            if not roles.sensitive_inferred:
                raise
            sensitive.remove(scan.name)
            notes.append(f"{error.message} It was taken as a feature.")
    if scan.name in (roles.identifier, roles.text):
        return ColumnPlan(scan.name, "text")
    if scan.name == roles.cluster:
        return plan_cluster(scan)
    if scan.name in request.kinds and scan.name != roles.label:
        return plan_as(name, scan, request.kinds[scan.name])
    return plan_feature(scan)


def _summary(scan: ColumnScan, plan: ColumnPlan) -> ColumnSummary:
    finite = scan.present - scan.not_a_number - scan.infinite
    numeric = plan.kind == "number" and finite > 0
    counts = _counts(scan, plan)
    return ColumnSummary(
        name=scan.name,
        kind=plan.kind,
        rows=scan.rows,
        missing=scan.missing + (scan.not_a_number + scan.infinite if plan.kind == "number" else 0),
        distinct=_distinct(scan, plan, counts),
        minimum=scan.minimum if numeric else None,
        maximum=scan.maximum if numeric else None,
        mean=scan.total / finite if numeric and np.isfinite(scan.total) else None,
        categories=plan.categories if counts is not None else (),
        counts=tuple(int(count) for count in counts) if counts is not None else (),
    )


def _distinct(scan: ColumnScan, plan: ColumnPlan, counts: npt.NDArray[np.int64] | None) -> int | None:
    if counts is not None:
        return int((counts > 0).sum())
    return scan.distinct() if plan.hashes is None else len(plan.hashes)


def _counts(scan: ColumnScan, plan: ColumnPlan) -> npt.NDArray[np.int64] | None:
    """Rows of each category; None where there are none, or the values were too many to count."""
    if not plan.categories or scan.values is None:
        return None
    values: Mapping[str, int] = scan.values
    codes = np.asarray(plan.encode(pa.array(list(values), pa.string())))
    rows = np.fromiter(values.values(), dtype=np.int64, count=len(values))
    counts = np.zeros(len(plan.categories), dtype=np.int64)
    np.add.at(counts, codes[codes >= 0], rows[codes >= 0])
    return counts


def _roles(roles: ColumnRoles, sensitive: tuple[str, ...], leading: DatasetProfile) -> Roles:
    taken = {roles.label, roles.cluster, roles.identifier, roles.split, roles.text, *sensitive}
    return Roles(
        label=roles.label,
        sensitive=sensitive,
        cluster=roles.cluster,
        identifier=roles.identifier,
        text=roles.text,
        image=roles.image,
        features=tuple(column.name for column in leading.columns if column.name not in taken),
    )
