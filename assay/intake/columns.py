"""How each column is stored, decided when the whole file has been seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.datasets.number_cells import parse_numbers
from assay.datasets.row_hash import Hashes, hash_column
from assay.datasets.values import canonical_number, canonical_values, value_order, visible
from assay.errors import BadInput
from assay.intake.cells import data_row, numbers
from assay.intake.limits import LISTED_CATEGORIES
from assay.intake.scan import ColumnScan

__all__ = [
    "MAX_VALUE",
    "ColumnPlan",
    "plan_as",
    "plan_cluster",
    "plan_codes",
    "plan_feature",
    "plan_sensitive",
]

MAX_VALUE = 200
"""Characters of a category value; longer ones are text, not categories."""


@dataclass(frozen=True)
class ColumnPlan:
    """Kind of a column and, for categories, how a cell finds its code."""

    name: str
    kind: Literal["number", "category", "text"]
    categories: tuple[str, ...] = ()
    codes: Mapping[str, int] = field(default_factory=dict)
    """Spelling -> code."""
    cuts: tuple[float, ...] | None = None
    """Cut points: code = number of cuts that the value reaches."""
    hashes: Hashes | None = None
    """Sorted value hashes: code = place of the value's hash."""

    def encode(self, column: pa.Array) -> pa.Array:
        """A cleaned column as it is stored: float64 (NaN), int32 codes (-1) or large_string (null)."""
        if self.kind == "text":
            return pc.cast(column, pa.large_string())
        if self.kind == "number":
            values = numbers(parse_numbers(column))
            return pa.array(np.where(np.isfinite(values), values, np.nan))
        return pa.array(self._codes(column), pa.int32())

    def _codes(self, column: pa.Array) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
        if self.cuts is not None:
            values = numbers(parse_numbers(column))
            return np.where(np.isnan(values), -1, np.digitize(values, self.cuts)).astype(np.int32)
        if self.hashes is not None:
            found = np.searchsorted(self.hashes, hash_column(column))
            return np.where(np.asarray(column.is_null()), -1, found).astype(np.int32)
        table = np.append(
            np.fromiter(self.codes.values(), dtype=np.int32, count=len(self.codes)), np.int32(-1)
        )
        spellings = pa.array(list(self.codes), pa.string())
        places = pc.fill_null(pc.index_in(column, value_set=spellings), len(self.codes))
        return np.asarray(table[np.asarray(places)], dtype=np.int32)


def plan_codes(name: str, raw_to_value: Mapping[str, str], categories: Sequence[str]) -> ColumnPlan:
    """A category column whose spellings map onto `categories`."""
    place = {value: code for code, value in enumerate(categories)}
    return ColumnPlan(
        name,
        "category",
        tuple(categories),
        {raw: place[value] for raw, value in raw_to_value.items() if value in place},
    )


def plan_as(file: str, scan: ColumnScan, kind: Literal["number", "category", "text"]) -> ColumnPlan:
    """A feature of the kind that the user says it is. Raises BadInput where its values are not of it."""
    if kind == "number" and not scan.numeric:
        place, word = scan.first_word or (0, "")
        raise BadInput(
            f'{file} column "{scan.name}" is said to hold numbers, but has "{word[:40]}" in '
            f"{data_row(place)}."
        )
    if kind != "category":
        return ColumnPlan(scan.name, kind)
    raw_to_value = canonical_values(scan.values or {})
    distinct = len(set(raw_to_value.values()))
    if scan.values is None or distinct > LISTED_CATEGORIES or scan.longest > MAX_VALUE:
        raise BadInput(
            f'{file} column "{scan.name}" is said to be a category, but has more than {LISTED_CATEGORIES:,} '
            f"different values, or one of more than {MAX_VALUE} characters."
        )
    if 2 * distinct > scan.present:
        raise BadInput(
            f'{file} column "{scan.name}" is said to be a category, but its {distinct:,} values hardly '
            f"repeat in {scan.present:,} rows; a list of them would name single persons."
        )
    return plan_codes(scan.name, raw_to_value, value_order(raw_to_value.values()))


def plan_feature(scan: ColumnScan) -> ColumnPlan:
    """Number when every value is one; category when values repeat and are few; otherwise text."""
    if scan.numeric and scan.present:
        return ColumnPlan(scan.name, "number")
    values = scan.values
    if values is None or len(values) > LISTED_CATEGORIES or scan.longest > MAX_VALUE:
        return ColumnPlan(scan.name, "text")
    raw_to_value = canonical_values(values)
    if 2 * len(set(raw_to_value.values())) > scan.present:
        # Values that hardly repeat belong to single persons: a profile, which is published, lists none.
        return ColumnPlan(scan.name, "text")
    return plan_codes(scan.name, raw_to_value, value_order(raw_to_value.values()))


def plan_sensitive(
    file: str, scan: ColumnScan, bins: Mapping[str, tuple[float, ...]], max_groups: int
) -> ColumnPlan:
    """Groups of a sensitive attribute, binned where the request says so.

    Raises BadInput for more than `max_groups` groups, bins of a column that is not numeric, and cut points
    that do not ascend.
    """
    if scan.name in bins:
        return _plan_bins(file, scan, bins[scan.name])
    values = scan.values
    raw_to_value = canonical_values(values) if values is not None else {}
    groups = len(set(raw_to_value.values()))
    if values is None or groups > max_groups:
        count = f"{groups:,}" if values is not None else f"more than {scan.limit:,}"
        way_out = f"Bin it with --bins {scan.name}=…, or name" if scan.numeric else "Name"
        raise BadInput(
            f'{file} column "{scan.name}" (sensitive) has {count} different values; '
            f"an attribute needs at most {max_groups} groups. {way_out} another column."
        )
    if scan.longest > MAX_VALUE:
        raise BadInput(
            f'{file} column "{scan.name}" (sensitive) has a value of {scan.longest:,} characters; '
            f"a group's name has at most {MAX_VALUE}."
        )
    return plan_codes(scan.name, raw_to_value, value_order(raw_to_value.values()))


def _plan_bins(file: str, scan: ColumnScan, cuts: tuple[float, ...]) -> ColumnPlan:
    if not scan.numeric:
        _, word = scan.first_word or (0, "")
        raise BadInput(
            f'{file} column "{scan.name}" (sensitive) cannot be binned: "{visible(word[:40])}" is no number.'
        )
    if not cuts or not np.isfinite(cuts).all() or any(b <= a for a, b in pairwise(cuts)):
        raise BadInput(f'The bins of "{scan.name}" must be one or more ascending numbers, such as 25,60.')
    shown = [canonical_number(float(cut)) for cut in cuts]
    middle = [f"{low} to < {high}" for low, high in pairwise(shown)]
    groups = (f"< {shown[0]}", *middle, f">= {shown[-1]}")
    return ColumnPlan(scan.name, "category", groups, cuts=tuple(float(cut) for cut in cuts))


def plan_cluster(scan: ColumnScan) -> ColumnPlan:
    """Codes 0..distinct-1; the values are listed when there are at most 1,000."""
    if scan.values is not None and len(scan.values) <= LISTED_CATEGORIES and scan.longest <= MAX_VALUE:
        raw_to_value = canonical_values(scan.values)
        return plan_codes(scan.name, raw_to_value, value_order(raw_to_value.values()))
    return ColumnPlan(scan.name, "category", hashes=scan.distinct_hashes())
