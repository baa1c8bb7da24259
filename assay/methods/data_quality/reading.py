"""What the shards read: hashes of rows, counts of groups, and columns tried against the label."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import Context, DatasetRole, Profile, ShardSpec, SubjectProtocol
from assay.methods.data_quality.repeats import hash_limit
from assay.methods.data_quality.telling_features import SUSPICIOUS, number_area, purity
from assay.methods.fairness.cells import count_rows

__all__ = [
    "OTHERS",
    "Telling",
    "compared",
    "content",
    "limits",
    "read_asked",
    "read_other",
    "read_test",
    "screen_columns",
]

OTHERS: tuple[DatasetRole, ...] = ("training", "tuning")
"""Datasets whose rows must not stand among the test rows."""
_COLUMNS_AT_ONCE = 16
"""Feature columns screened in one pass over the file: bounds memory at 16 × screen_rows numbers."""

Hashes = npt.NDArray[np.uint64]


class Telling(NamedTuple):
    """A column that nearly gives the label away."""

    column: str
    statistic: str
    value: float
    rows: int


def content(profile: Profile) -> tuple[str, ...]:
    """What makes a row itself: features, text and sensitive attributes, in the order of the file."""
    wanted = {*profile.roles.described_by, *profile.roles.sensitive}
    return tuple(column.name for column in profile.test.columns if column.name in wanted)


def compared(profile: Profile, role: DatasetRole) -> tuple[str, ...]:
    """The content columns that another dataset has too; none when it shares no feature."""
    other = profile.dataset(role)
    if other is None or not profile.roles.described_by:
        return ()
    there = {column.name for column in other.columns} & {column.name for column in profile.asked.columns}
    common = tuple(name for name in content(profile) if name in there)
    return common if set(common) & set(profile.roles.described_by) else ()


def limits(profile: Profile, exact_rows: int) -> tuple[tuple[int, float], tuple[int, float]]:
    """Hash limits (and kept shares) for repeats inside the test rows, and for comparing datasets."""
    largest = max(d.rows for d in profile.datasets if d.role in ("test", "asked", *OTHERS))
    return hash_limit(profile.test.rows, exact_rows), hash_limit(largest, exact_rows)


def read_test(
    shard: ShardSpec, subject: SubjectProtocol, exact_rows: int, context: Context
) -> dict[str, npt.NDArray[np.generic]]:
    """Hashes of the kept rows, of their labels, and the counts of the groups."""
    profile = subject.profile
    roles, columns = profile.roles, content(profile)
    (own, _), (shared, _) = limits(profile, exact_rows)
    kept: dict[str, list[Hashes]] = {}
    if roles.described_by:
        kept = {"features": [], "labels": []}
        kept |= {role: [] for role in OTHERS if compared(profile, role) not in ((), columns)}
    label = () if roles.label is None else (roles.label,)
    read = [*(columns if roles.described_by else roles.sensitive), *label]

    def batches() -> Iterator[list[npt.NDArray[np.int32]]]:
        rows = max(1, shard.stop_row - shard.first_row)
        for batch in subject.dataset("test").batches(read, shard.first_row, shard.stop_row):
            if roles.described_by:
                hashes = batch.row_hashes(columns)
                chosen = hashes <= np.uint64(own)
                kept["features"].append(hashes[chosen])
                if label:
                    kept["labels"].append(batch.row_hashes(label)[chosen])
                for role in OTHERS:
                    if role in kept:
                        fewer = batch.row_hashes(compared(profile, role))
                        kept[role].append(fewer[fewer <= np.uint64(shared)])
            yield [batch.codes(name) for name in roles.sensitive]
            context.progress((batch.start + batch.rows - shard.first_row) / rows)

    sizes = [len(profile.test.column(name).categories) for name in roles.sensitive]
    if roles.sensitive:
        cells = count_rows(roles.sensitive, sizes, batches())
        arrays: dict[str, npt.NDArray[np.generic]] = {"codes": cells.codes, "counts": cells.counts}
    else:
        arrays = {}
        for _ in batches():
            pass
    return arrays | {name: np.concatenate(hashes) for name, hashes in kept.items() if hashes}


def read_asked(
    shard: ShardSpec, subject: SubjectProtocol, exact_rows: int, context: Context
) -> dict[str, npt.NDArray[np.generic]]:
    """Hashes of the rows that the model is asked about, by the dataset that they must not stand in."""
    profile = subject.profile
    _, (limit, _) = limits(profile, exact_rows)
    columns = {role: compared(profile, role) for role in OTHERS if compared(profile, role)}
    read = list(dict.fromkeys(name for names in columns.values() for name in names))
    found: dict[str, list[Hashes]] = {role: [] for role in columns}
    for batch in subject.dataset("asked").batches(read, shard.first_row, shard.stop_row):
        for role, names in columns.items():
            hashes = batch.row_hashes(names)
            found[role].append(hashes[hashes <= np.uint64(limit)])
    return {role: np.concatenate(hashes) for role, hashes in found.items()}


def read_other(
    shard: ShardSpec, subject: SubjectProtocol, exact_rows: int, context: Context, role: DatasetRole
) -> Hashes:
    """Distinct hashes of the kept rows of another dataset."""
    columns = compared(subject.profile, role)
    _, (limit, _) = limits(subject.profile, exact_rows)
    rows = max(1, shard.stop_row - shard.first_row)
    kept = []
    for batch in subject.dataset(role).batches(columns, shard.first_row, shard.stop_row):
        hashes = batch.row_hashes(columns)
        kept.append(hashes[hashes <= np.uint64(limit)])
        context.progress((batch.start + batch.rows - shard.first_row) / rows)
    return np.unique(np.concatenate(kept))


def screen_columns(subject: SubjectProtocol, screen_rows: int, context: Context) -> list[Telling]:
    """Every feature that alone nearly determines the label."""
    profile = subject.profile
    label, classes = profile.roles.label, len(profile.signature.classes)
    if label is None or not classes:
        return []
    kinds = {column.name: column.kind for column in profile.test.columns}
    features = [name for name in profile.roles.features if kinds[name] != "text"]
    stride = -(-profile.test.rows // screen_rows)
    found: list[Telling] = []
    for first in range(0, len(features), _COLUMNS_AT_ONCE):
        chosen = features[first : first + _COLUMNS_AT_ONCE]
        pieces: dict[str, list[npt.NDArray[np.generic]]] = {name: [] for name in (*chosen, label)}
        for batch in subject.dataset("test").batches((*chosen, label)):
            offset = -batch.start % stride
            for name, piece in pieces.items():
                number = name != label and kinds[name] == "number"
                values = batch.numbers(name) if number else batch.codes(name)
                piece.append(values[offset::stride])
        labels = np.concatenate(pieces[label]).astype(np.int32)
        for name in chosen:
            values = np.concatenate(pieces[name])
            statistic = "AUC" if kinds[name] == "number" else "purity"
            value = (
                number_area(values.astype(np.float64), labels, classes)
                if statistic == "AUC"
                else purity(values.astype(np.int32), labels, classes)
            )
            if value is not None and value > SUSPICIOUS:
                found.append(Telling(name, statistic, value, len(labels)))
        context.progress(min(1.0, (first + len(chosen)) / len(features)))
    return found
