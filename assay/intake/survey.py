"""The first pass over a file: every column summarised, required values checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.contracts import DataRequest, DatasetRole, Joined
from assay.errors import BadInput
from assay.intake.cells import DEFAULT_MISSING, data_row
from assay.intake.joined import JoinedSource
from assay.intake.roles import ColumnRoles
from assay.intake.rows import RowReader
from assay.intake.scan import CATEGORY_LIMIT, ColumnScan
from assay.intake.source import Source

__all__ = ["Survey", "survey"]

_SENSITIVE_LIMIT = 100_000
"""Values of a sensitive column that are counted, only to name their number when there are too many."""


@dataclass(frozen=True)
class Survey:
    """What the first pass over one file found. `reader` reads the same rows again for the second."""

    source: Source
    reader: RowReader
    scans: dict[DatasetRole, dict[str, ColumnScan]]
    set_aside: int
    digest: str
    notes: list[str]
    joined: dict[DatasetRole, tuple[Joined, ...]]


def survey(
    source: Source,
    role: DatasetRole,
    roles: ColumnRoles,
    request: DataRequest,
    tick: Callable[[float], None],
    *,
    sketched: bool = False,
) -> Survey:
    """Stream the file once and summarise each column of each dataset in it.

    Training and tuning files are read as far as they share columns with the test file; what they lack is
    noted.

    Raises:
        BadInput: no data rows, no shared column, a missing label, prediction or score, doubled identifiers.
    """
    notes: list[str] = []
    leads = role == request.leading[0]
    whole = [name for name in source.columns if name not in request.ignored]
    columns = whole if leads else _shared(source, role, roles, notes)
    tokens = DEFAULT_MISSING if request.missing is None else tuple(t.strip() for t in request.missing)
    strict = [
        name for name in dict.fromkeys((roles.label, roles.prediction, roles.score)) if name is not None
    ]
    lost: list[npt.NDArray[np.int64]] = []
    """Of rows that were set aside: how many each lookup did not find."""

    def aside(places: npt.NDArray[np.int64]) -> None:
        if isinstance(source, JoinedSource):
            lost.append(source.unmatched(places))

    reader = RowReader(
        source,
        columns,
        role=role,
        split=roles.split if leads else None,
        sealed=frozenset() if role == "test" else frozenset({"test"}),
        as_text=_spelt(roles, request),
        nan_is_missing=frozenset() if roles.score is None else frozenset({roles.score}),
        watch=frozenset(roles.sensitive),
        missing=tokens,
        required=strict if leads and request.allow_missing else (),
        tick=tick,
        aside=aside,
    )
    scans: dict[DatasetRole, dict[str, ColumnScan]] = {}
    unmatched: dict[DatasetRole, npt.NDArray[np.int64]] = {}
    for rows in reader:
        if isinstance(source, JoinedSource):
            gone = source.unmatched(rows.places)
            unmatched[rows.role] = unmatched.get(rows.role, np.zeros_like(gone)) + gone
        if rows.role not in scans:
            scans[rows.role] = {name: _scan(name, roles, request, sketched=sketched) for name in columns}
        for name, column in zip(columns, rows.columns, strict=True):
            scans[rows.role][name].update(column, rows.places)
    _refuse_no_rows(source, role, scans, reader)
    if leads and isinstance(source, JoinedSource) and role in unmatched:
        rows_read = scans[role][columns[0]].rows + reader.set_aside
        source.refuse_another_log(role, rows_read, unmatched[role] + sum(lost))
    joined = _joined(source, scans, unmatched)
    if leads:
        for name in strict:
            _refuse_missing(source, scans[role][name], roles)
        if roles.identifier is not None:
            _refuse_doubles(reader, scans, roles.identifier)
    if reader.set_aside:
        notes.append(
            f"{source.name}: {reader.set_aside:,} row(s) without {_either(strict, roles)} were set aside."
        )
    if reader.sealed_rows:
        notes.append(f"{source.name}: {reader.sealed_rows:,} test row(s) were passed over unread.")
    notes.extend(_cleaning_notes(reader))
    return Survey(source, reader, scans, reader.set_aside, source.digest, notes, joined)


def _joined(
    source: Source,
    scans: dict[DatasetRole, dict[str, ColumnScan]],
    unmatched: dict[DatasetRole, npt.NDArray[np.int64]],
) -> dict[DatasetRole, tuple[Joined, ...]]:
    if not isinstance(source, JoinedSource):
        return {}
    rows = {role: next(iter(found.values())).rows for role, found in scans.items()}
    return {role: source.joined(role, rows[role], gone) for role, gone in unmatched.items()}


def _shared(source: Source, role: DatasetRole, roles: ColumnRoles, notes: list[str]) -> list[str]:
    named = (
        roles.label,
        roles.prediction,
        roles.score,
        *roles.sensitive,
        roles.cluster,
        roles.text,
        roles.image,
        *roles.features,
    )
    wanted = {name for name in named if name is not None}
    shared = [name for name in source.columns if name in wanted]
    if not set(shared) & {*roles.features, *roles.sensitive, roles.label, roles.text}:
        raise BadInput(f"{source.name} ({role}) shares no column with the test data; its header must match.")
    lacking = [name for name in (*roles.sensitive, *roles.features) if name not in shared]
    if lacking:
        listed = ", ".join(f'"{name}"' for name in lacking[:8]) + (", …" if len(lacking) > 8 else "")
        notes.append(f"{source.name} ({role}) lacks {len(lacking):,} column(s) of the test data: {listed}.")
    return shared


def _spelt(roles: ColumnRoles, request: DataRequest) -> frozenset[str]:
    """Columns whose values are categories or names, so that typed files must bring them as text."""
    names = (
        roles.label,
        roles.prediction,
        roles.cluster,
        roles.identifier,
        roles.split,
        roles.text,
        *roles.sensitive,
    )
    words = (name for name, kind in request.kinds.items() if kind != "number")
    return frozenset(name for name in (*names, *words) if name is not None and name not in request.bins)


def _scan(name: str, roles: ColumnRoles, request: DataRequest, *, sketched: bool) -> ColumnScan:
    limit = _SENSITIVE_LIMIT if name in roles.sensitive and name not in request.bins else CATEGORY_LIMIT
    return ColumnScan(
        name,
        limit,
        keep_hashes=name == roles.identifier,
        unique_hashes=name == roles.cluster,
        sketched=sketched,
    )


def _refuse_no_rows(
    source: Source, role: DatasetRole, scans: dict[DatasetRole, dict[str, ColumnScan]], reader: RowReader
) -> None:
    if role in scans:
        return
    if reader.set_aside:
        raise BadInput(
            f"{source.name}: every row lacks a label, prediction or score; nothing is left to audit."
        )
    others = [*scans, *(["test"] if reader.sealed_rows else [])]
    if others:
        raise BadInput(f"{source.name} has no {role} rows; the roles column names {', '.join(others)} only.")
    raise BadInput(f"{source.name} has a header but no data rows.")


def _refuse_missing(source: Source, scan: ColumnScan, roles: ColumnRoles) -> None:
    missing = scan.missing + scan.not_a_number if scan.numeric else scan.missing
    if not missing:
        return
    where = f", first in {data_row(scan.first_missing)}" if scan.first_missing is not None else ""
    raise BadInput(
        f'{source.name} column "{scan.name}" ({roles.of(scan.name)}) is missing in {missing:,} of '
        f"{scan.rows:,} rows{where}. Fill them in, or set these rows aside with --allow-missing."
    )


def _refuse_doubles(
    reader: RowReader, scans: dict[DatasetRole, dict[str, ColumnScan]], identifier: str
) -> None:
    """Equal hashes point at candidates; the values of the first one are compared before it is named."""
    for found in scans.values():
        if (scan := found[identifier]).first_missing is not None:
            raise BadInput(
                f'{reader.source.name} column "{identifier}" (identifier) is missing in {scan.missing:,} '
                f"row(s), first in {data_row(scan.first_missing)}. Each row needs its own."
            )
    hashes = np.concatenate([part for found in scans.values() for part in found[identifier].hashes])
    hashes.sort()
    doubled = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    for found in scans.values():
        found[identifier].hashes.clear()
    if not len(doubled):
        return
    value, rows = reader.find_double(identifier, doubled)
    if value is None:
        return
    shown = ", ".join(f"{row + 1:,}" for row in rows)
    raise BadInput(
        f'{reader.source.name} column "{identifier}" (identifier) has {len(doubled):,} repeated value(s); '
        f'the first, "{value[:40]}", stands in data rows {shown}. Each row needs its own.'
    )


def _either(strict: list[str], roles: ColumnRoles) -> str:
    return " or ".join(dict.fromkeys(roles.of(name).removesuffix("s") for name in strict))


def _cleaning_notes(reader: RowReader) -> list[str]:
    """What cleaning changed where it matters: unknown groups, and blanks."""
    name = reader.source.name
    notes = []
    for column, cleaner in reader.cleaners.items():
        if cleaner.words:
            words = ", ".join(
                f"{count:,} empty" if not word else f'{count:,} "{word}"'
                for word, count in sorted(cleaner.words.items())
            )
            notes.append(f'{name} column "{column}" (sensitive): {words} read as unknown.')
    trimmed = sum(cleaner.trimmed for cleaner in reader.cleaners.values())
    if trimmed:
        notes.append(f"{name}: blanks around values were removed in {trimmed:,} column(s).")
    return notes
