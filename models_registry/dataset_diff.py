"""What differs between two versions of a dataset, from what the child found in each. No row is looked at."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from assay.contracts import ColumnSummary, DataReport, DatasetRole, Quantiles
from models_registry.models import DatasetFile, DatasetVersion
from models_registry.presenting import role_of

__all__ = ["CategoryShift", "ColumnDiff", "DatasetDiff", "PartDiff", "diff_of"]

Said = list[tuple[str, str]]
_SHOWN_CATEGORIES = 6
_SHOWN_COLUMNS = 200


class Shown(BaseModel):
    model_config = ConfigDict(frozen=True)


class CategoryShift(Shown):
    """Share of a category among the rows that have a value, before and after; null where it is not listed."""

    name: str
    before: float | None
    after: float | None


class ColumnDiff(Shown):
    """One column of both versions, or of one. Shares are in 0..1."""

    name: str
    change: Literal["added", "removed", "changed", "shifted", "same"]
    """`changed`: of another kind or role; `shifted`: the same with other values."""
    kind_before: str = ""
    kind_after: str = ""
    role_before: str = ""
    role_after: str = ""
    n_before: int | None = None
    """Rows with a value."""
    n_after: int | None = None
    missing_before: float | None = None
    missing_after: float | None = None
    distance: float | None = None
    """Total variation between the shares of categories: what share of the rows would have to move."""
    categories: tuple[CategoryShift, ...] = ()
    mean_before: float | None = None
    mean_after: float | None = None
    lowest_before: float | None = None
    lowest_after: float | None = None
    highest_before: float | None = None
    highest_after: float | None = None
    quantiles_before: tuple[float, ...] = ()
    """At the shares 0.01, 0.05, 0.25, 0.5, 0.75, 0.95 and 0.99; none of few rows, and of versions that were
    read before quantiles were kept."""
    quantiles_after: tuple[float, ...] = ()
    quantile_error: float = 0.0
    """Largest distance of a quantile's share from the one it is given for; 0 = exact."""


class PartDiff(Shown):
    """The rows of one role."""

    role: str
    title: str
    rows_before: int | None
    rows_after: int | None
    same_file: bool
    """The very same file, so every row is in both."""
    columns: tuple[ColumnDiff, ...]
    unchanged: int
    more: int
    """Columns that differ beyond those listed."""


class DatasetDiff(Shown):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "before": 1,
                    "after": 2,
                    "described": [["sensitive", "sex", "sex, age"]],
                    "files": [["test", "loans.csv (9f2c41d07ab3)", "loans.csv (51b0e8834cc2)"]],
                    "parts": [
                        {
                            "role": "test",
                            "title": "Test rows",
                            "rows_before": 600,
                            "rows_after": 640,
                            "same_file": False,
                            "columns": [{"name": "income", "change": "shifted", "distance": None}],
                            "unchanged": 12,
                            "more": 0,
                        }
                    ],
                }
            ]
        }
    )
    before: int
    after: int
    described: tuple[tuple[str, str, str], ...]
    """What people said of the columns, where it differs: what, before, after."""
    files: tuple[tuple[str, str, str], ...] = ()
    """Roles whose file is another one: role, name and start of the digest before and after."""
    parts: tuple[PartDiff, ...]

    @property
    def same(self) -> bool:
        """Whether nothing at all differs."""
        return not (self.described or self.files) and all(
            part.rows_before == part.rows_after and part.same_file and not part.columns for part in self.parts
        )


def diff_of(
    before: DatasetVersion,
    after: DatasetVersion,
    said_before: Said,
    said_after: Said,
) -> DatasetDiff:
    """The differences of two versions that were both read.

    Args:
        said_before, said_after: what people said of the columns, as `presenting.said_of` gives it.
    """
    old, new = (DataReport.model_validate(version.profile) for version in (before, after))
    titles = dict(DatasetFile.Role.choices)
    one, other = {**dict(said_before), **_joined(old)}, {**dict(said_after), **_joined(new)}
    described = tuple(
        (name, one.get(name, ""), other.get(name, ""))
        for name in dict.fromkeys([*one, *other])
        if one.get(name) != other.get(name)
    )
    return DatasetDiff(
        before=before.number,
        after=after.number,
        described=described,
        files=_files(before, after),
        parts=tuple(
            _part(role, titles.get(role, role), old, new)
            for role in dict.fromkeys(each.role for report in (old, new) for each in report.datasets)
        ),
    )


def _files(before: DatasetVersion, after: DatasetVersion) -> tuple[tuple[str, str, str], ...]:
    """The roles whose file has another digest, or is in one version only."""
    one, other = (
        {each.role: (each.file.sha256, each.name) for each in version.files.select_related("file")}
        for version in (before, after)
    )

    def shown(found: tuple[str, str] | None) -> str:
        return "" if found is None else f"{found[1]} ({found[0][:12]})"

    roles = [role for role in DatasetFile.Role.values if role in one or role in other]
    return tuple(
        (role, shown(one.get(role)), shown(other.get(role)))
        for role in roles
        if one.get(role, ("",))[0] != other.get(role, ("",))[0]
    )


def _joined(report: DataReport) -> dict[str, str]:
    """Files joined to the leading rows by id, as one more thing that was said."""
    found = [f"{each.name} ({', '.join(each.columns)})" for each in report.datasets[0].joined]
    return {"Joined by id": "; ".join(found)} if found else {}


def _part(
    role: DatasetRole,
    title: str,
    report_before: DataReport,
    report_after: DataReport,
) -> PartDiff:
    reports = (report_before, report_after)
    before, after = (next((d for d in each.datasets if d.role == role), None) for each in reports)
    one, other = (each.quantiles.get(role, {}) for each in reports)
    old = {} if before is None else {column.name: column for column in before.columns}
    new = {} if after is None else {column.name: column for column in after.columns}
    lines = [
        _column(
            name,
            old.get(name),
            new.get(name),
            role_of(name, report_before.roles),
            role_of(name, report_after.roles),
            (one.get(name), other.get(name)),
        )
        for name in dict.fromkeys([*new, *old])
    ]
    differing = [line for line in lines if line.change != "same"]
    order = ("added", "removed", "changed", "shifted")
    differing.sort(key=lambda line: (order.index(line.change), -(line.distance or 0.0)))
    return PartDiff(
        role=role,
        title=title,
        rows_before=None if before is None else before.rows,
        rows_after=None if after is None else after.rows,
        same_file=before is not None and after is not None and before.sha256 == after.sha256,
        columns=tuple(differing[:_SHOWN_COLUMNS]),
        unchanged=len(lines) - len(differing),
        more=max(0, len(differing) - _SHOWN_COLUMNS),
    )


def _column(
    name: str,
    before: ColumnSummary | None,
    after: ColumnSummary | None,
    role_before: str,
    role_after: str,
    quantiles: tuple[Quantiles | None, Quantiles | None],
) -> ColumnDiff:
    shifts, (one, other) = _categories(before, after), quantiles
    distance = None
    if before is not None and after is not None and before.categories and after.categories:
        distance = round(sum(abs((each.after or 0.0) - (each.before or 0.0)) for each in shifts) / 2, 6)
    return ColumnDiff(
        name=name,
        change=_change(before, after, role_before == role_after, quantiles),
        distance=distance,
        categories=tuple(shifts[:_SHOWN_CATEGORIES]),
        quantile_error=max((each.error for each in quantiles if each is not None), default=0.0),
        **_side(before, role_before, one, "before"),
        **_side(after, role_after, other, "after"),
    )


def _change(
    before: ColumnSummary | None,
    after: ColumnSummary | None,
    same_role: bool,
    quantiles: tuple[Quantiles | None, Quantiles | None],
) -> Literal["added", "removed", "changed", "shifted", "same"]:
    if before is None or after is None:
        return "added" if before is None else "removed"
    if before.kind != after.kind or not same_role:
        return "changed"
    return "same" if before == after and not _quantiles_moved(quantiles) else "shifted"


def _side(column: ColumnSummary | None, role: str, quantiles: Quantiles | None, side: str) -> dict[str, Any]:
    """The fields of `ColumnDiff` that tell of one version; none where it has no such column."""
    if column is None:
        return {}
    found = {
        "kind": column.kind,
        "role": role,
        "n": column.rows - column.missing,
        "missing": column.missing / column.rows if column.rows else None,
        "mean": column.mean,
        "lowest": column.minimum,
        "highest": column.maximum,
        "quantiles": () if quantiles is None else quantiles.values,
    }
    return {f"{name}_{side}": value for name, value in found.items()}


def _quantiles_moved(quantiles: tuple[Quantiles | None, Quantiles | None]) -> bool:
    """Versions that were read before quantiles were kept have none to compare."""
    before, after = quantiles
    return before is not None and after is not None and before != after


def _categories(before: ColumnSummary | None, after: ColumnSummary | None) -> list[CategoryShift]:
    """Shares of every category, those that moved most first."""
    old, new = _shares(before), _shares(after)
    found = [
        CategoryShift(name=name, before=old.get(name), after=new.get(name))
        for name in dict.fromkeys([*old, *new])
    ]
    return sorted(found, key=lambda each: -abs((each.after or 0.0) - (each.before or 0.0)))


def _shares(column: ColumnSummary | None) -> dict[str, float]:
    total = 0 if column is None else sum(column.counts)
    if column is None or not total:
        return {}
    return {name: count / total for name, count in zip(column.categories, column.counts, strict=True)}
