"""The second pass over a file: one typed table per dataset in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from assay.contracts import DataRequest, DatasetRole, ModelSignature
from assay.datasets.model_columns import AS_READ
from assay.datasets.table import Table
from assay.errors import BadInput
from assay.intake.column_names import PICTURE
from assay.intake.columns import ColumnPlan, plan_as, plan_cluster, plan_codes, plan_feature, plan_sensitive
from assay.intake.roles import ColumnRoles
from assay.intake.scan import ColumnScan
from assay.intake.survey import Survey
from assay.intake.target import Target
from assay.intake.write import TableWriter

__all__ = ["make_tables"]


def make_tables(
    survey: Survey,
    request: DataRequest,
    roles: ColumnRoles,
    sensitive: tuple[str, ...],
    target: Target,
    scratch: Path,
    notes: list[str],
    tick: Callable[[float], None],
    signature: ModelSignature | None = None,
) -> tuple[dict[DatasetRole, Table], tuple[str, ...]]:
    """Write every dataset of a surveyed file.

    Returns the tables and the sensitive columns that stay: one that was only inferred from its name and
    cannot be grouped becomes a feature, with a note.

    Raises:
        BadInput: a sensitive column that cannot be grouped.
    """
    name = survey.source.name
    writers: dict[DatasetRole, TableWriter] = {}
    kept: dict[DatasetRole, list[int]] = {}
    leading = request.leading[0]
    if leading in survey.scans:
        sensitive = _groupable(name, survey.scans[leading], request, roles, sensitive, notes)
    for role, scans in survey.scans.items():
        plans = {
            column: _plan(name, role, scan, request, roles, sensitive, target, notes)
            for column, scan in scans.items()
        }
        stored = [(place, plan) for place, plan in enumerate(plans.values()) if plan is not None]
        # A model reads the number that fairness sees as a group; a remedy may make one that does.
        asked = (
            {column.name for column in signature.columns if column.kind == "number"} if signature else set()
        )
        numbers = [
            name for name in plans if name in request.bins and (name in asked or leading == "training")
        ]
        stored += [(list(plans).index(name), ColumnPlan(name + AS_READ, "number")) for name in numbers]
        scans.update({name + AS_READ: scans[name] for name in numbers})
        kept[role] = [place for place, _ in stored]
        writers[role] = TableWriter(scratch / f"{role}.arrow", [plan for _, plan in stored])
    survey.reader.listen(tick)
    for rows in survey.reader:
        writers[rows.role].append([rows.columns[place] for place in kept[rows.role]])
    if survey.source.digest != survey.digest:
        raise BadInput(f"{name} changed while it was read. Run again when it is complete.")
    tables = {}
    for role, writer in writers.items():
        writer.close()
        set_aside = survey.set_aside if role == leading else 0
        joined = survey.joined.get(role, ())
        tables[role] = writer.table(role, name, survey.digest, survey.scans[role], set_aside, joined)
    return tables, sensitive


def _groupable(
    name: str,
    scans: dict[str, ColumnScan],
    request: DataRequest,
    roles: ColumnRoles,
    sensitive: tuple[str, ...],
    notes: list[str],
) -> tuple[str, ...]:
    stay = []
    for column in sensitive:
        try:
            if not scans[column].present:
                raise BadInput(
                    f'{name} column "{column}" (sensitive) has no value in any row, so it forms no groups. '
                    "Fill it in, or name another column."
                )
            plan_sensitive(name, scans[column], request.bins, request.max_groups)
        except BadInput as error:
            if not roles.sensitive_inferred:
                raise
            notes.append(f"{error.message} It was taken as a feature.")
            continue
        stay.append(column)
    return tuple(stay)


def _plan(
    name: str,
    role: DatasetRole,
    scan: ColumnScan,
    request: DataRequest,
    roles: ColumnRoles,
    sensitive: tuple[str, ...],
    target: Target,
    notes: list[str],
) -> ColumnPlan | None:
    """How a column is stored; None where it is left out of a training or tuning dataset, with a note."""
    if scan.name in (roles.label, roles.prediction, roles.score):
        reason = None if role == request.leading[0] else _unusable(scan, roles, target)
        if reason is not None:
            notes.append(f'{name} column "{scan.name}" was left out of the {role} data: {reason}.')
            return None
        return _plan_target(scan, roles, target)
    if scan.name in sensitive:
        return plan_sensitive(name, scan, request.bins, request.max_groups)
    picture = PICTURE if roles.image is not None else None
    if scan.name in (roles.identifier, roles.text, picture):
        return ColumnPlan(scan.name, "text")
    if scan.name == roles.cluster:
        return plan_cluster(scan)
    if scan.numeric and scan.infinite:
        notes.append(f'{name} column "{scan.name}": {scan.infinite:,} infinite value(s) count as missing.')
    if scan.name in request.kinds:
        return plan_as(name, scan, request.kinds[scan.name])
    return plan_feature(scan)


def _plan_target(scan: ColumnScan, roles: ColumnRoles, target: Target) -> ColumnPlan:
    if target.signature.task == "regression" or scan.name == roles.score:
        return ColumnPlan(scan.name, "number")
    raw_to_class = {**target.prediction, **target.label} if scan.name == roles.label else target.prediction
    return plan_codes(scan.name, raw_to_class, target.signature.classes)


def _unusable(scan: ColumnScan, roles: ColumnRoles, target: Target) -> str | None:
    """Why a label, prediction or score column of training or tuning rows cannot be used, if so."""
    if scan.missing:
        return f"{scan.missing:,} value(s) are missing"
    if target.signature.task == "regression" or scan.name == roles.score:
        if not scan.numeric or scan.infinite or scan.not_a_number:
            return "it holds values that are no finite numbers"
        return None
    known = target.label if scan.name == roles.label else target.prediction
    if scan.values is None or not set(scan.values) <= set(known):
        return "it holds values that are no classes"
    return None
