"""Measures and series of data quality. Counts of the file itself are facts: their interval is exact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assay.contracts import (
    Capability,
    DatasetRole,
    Direction,
    Grade,
    Judging,
    Measure,
    MeasureSpec,
    Profile,
    Series,
    SeriesColumn,
    Status,
)
from assay.methods.data_quality.repeats import Repeats, Share
from assay.methods.fairness.groupings import Grouping

__all__ = [
    "MEASURES",
    "counted_measures",
    "group_measures",
    "leak_measure",
    "missing_series",
    "repeat_measures",
    "suspicious_series",
    "unrepeatable_measures",
]

_METHOD = "data_quality.basics"
_MOST_POINTS = 2_000


def _spec(
    name: str, title: str, unit: str, direction: Direction, description: str, judging: Judging = "single"
) -> MeasureSpec:
    return MeasureSpec(
        id=f"data_quality.{name}",
        title=title,
        unit=unit,
        direction=direction,
        judging=judging,
        description=description,
        needs=_NEEDS.get(name, ()),
    )


_NEEDS: dict[str, tuple[Capability, ...]] = {
    "label_conflict_share": ("labels",),
    "leaked_share": ("training_rows",),
    "minority_share": ("labels",),
    "group_share": ("sensitive",),
    "group_rows": ("sensitive",),
    "smallest_group_rows": ("sensitive",),
}


MEASURES: tuple[MeasureSpec, ...] = (
    _spec("rows", "Rows", "count", "higher", "Rows of the test dataset that were audited."),
    _spec("other_rows", "Rows beside the test rows", "count", "none", "Rows of another dataset.", "shown"),
    _spec(
        "missing_share", "Missing values", "share", "lower", "Missing cells of a column / rows, test dataset."
    ),
    _spec(
        "duplicate_share",
        "Repeated rows",
        "share",
        "lower",
        "Rows equal to an earlier row in all features, sensitive attributes and the label / rows.",
    ),
    _spec(
        "label_conflict_share",
        "Contradicting labels",
        "share",
        "lower",
        "Rows whose features and sensitive attributes stand elsewhere under another label / rows.",
    ),
    _spec(
        "leaked_share",
        "Test rows seen before",
        "share",
        "lower",
        "Test rows whose features and sensitive attributes also stand in the other dataset / test rows.",
    ),
    _spec(
        "minority_share", "Rarest class", "share", "higher", "Rows of the rarest class of the label / rows."
    ),
    _spec(
        "group_share",
        "Share of a group",
        "share",
        "none",
        "Rows of the group / rows whose group is known.",
    ),
    _spec("group_rows", "Rows of a group", "count", "higher", "Rows of the group."),
    _spec(
        "smallest_group_rows",
        "Rows of the smallest group",
        "count",
        "higher",
        "Rows of the smallest group of the attribute that occurs at all.",
    ),
)
_DIRECTIONS = {spec.id: spec.direction for spec in MEASURES}
_UNITS = {spec.id: spec.unit for spec in MEASURES}


def _measure(
    name: str,
    grade: Grade,
    value: float | None,
    n: int,
    *,
    slice: dict[str, str] | None = None,  # noqa: A002 - the contract's own name
    over: str | None = None,
    at: dict[str, str] | None = None,
    counts: tuple[int, int] | None = None,
    interval: tuple[float, float, float, str] | None = None,
    status: Status = "measured",
    note: str | None = None,
) -> Measure:
    """A fact about the file unless `interval` (low, high, level, method) says that it is an estimate."""
    measure = f"data_quality.{name}"
    low, high, level, method = interval if interval is not None else (value, value, None, "exact")
    return Measure(
        id=measure,
        slice=slice or {},
        over=over,
        at=at or {},
        value=value,
        low=low,
        high=high,
        level=level,
        interval_method=None if value is None else method,
        n=n,
        numerator=None if counts is None else counts[0],
        denominator=None if counts is None else counts[1],
        unit=_UNITS[measure],
        direction=_DIRECTIONS[measure],
        status=status,
        grade=grade,
        note=note,
    )


def counted_measures(profile: Profile, grade: Grade) -> Iterator[Measure]:
    """Rows, missing cells and the rarest class: what intake has counted already."""
    test = profile.test
    for dataset in profile.datasets:
        if dataset.role == "test":
            yield _measure("rows", grade, dataset.rows, dataset.rows)
        else:
            at: dict[str, str] = {"dataset": dataset.role}
            yield _measure("other_rows", grade, dataset.rows, dataset.rows, at=at)
    for column in test.columns:
        share = column.missing / column.rows if column.rows else None
        yield _measure(
            "missing_share",
            grade,
            share,
            column.rows,
            slice={"column": column.name},
            counts=(column.missing, column.rows),
            status="insufficient" if share is None else "measured",
        )
    if profile.roles.label is not None and profile.signature.classes:
        label = test.column(profile.roles.label)
        rows = sum(label.counts)
        fewest = min(label.counts, default=0)
        if rows:
            yield _measure(
                "minority_share",
                grade,
                fewest / rows,
                rows,
                counts=(fewest, rows),
                note=f'class "{label.categories[label.counts.index(fewest)]}"',
            )


def repeat_measures(
    profile: Profile, grade: Grade, found: Repeats, kept_share: float, level: float, labelled: bool
) -> Iterator[Measure]:
    """Repeated rows and contradicting labels; `labelled` = the label is a class."""

    def share(name: str, part: Share, note: str | None) -> Measure:
        interval = None
        if kept_share < 1:
            interval = (part.low, part.high, level, f"hash sample {kept_share:.3g}, ratio estimate")
        return _measure(
            name,
            grade,
            part.value,
            part.denominator,
            counts=(part.numerator, part.denominator),
            interval=interval,
            note=note,
        )

    columns = len(profile.roles.described_by) + len(profile.roles.sensitive)
    compared = f"columns compared: {columns}{' and the label' if profile.roles.label else ''}"
    yield share("duplicate_share", found.duplicates, compared)
    if found.conflicts is not None and labelled:
        yield share("label_conflict_share", found.conflicts, f"columns compared: {columns}")
    else:
        why = "there is no label" if profile.roles.label is None else "the label is a number"
        yield _measure(
            "label_conflict_share", grade, None, profile.test.rows, status="not_applicable", note=why
        )


def unrepeatable_measures(profile: Profile, grade: Grade) -> Iterator[Measure]:
    """What cannot be looked for in a file without features."""
    why = "the file has no feature columns, so equal rows need not be the same case"
    rows = profile.test.rows
    yield _measure("duplicate_share", grade, None, rows, status="not_applicable", note=why)
    yield _measure("label_conflict_share", grade, None, rows, status="not_applicable", note=why)
    for role in ("training", "tuning"):
        if any(dataset.role == role for dataset in profile.datasets):
            at = {"dataset": role}
            yield _measure("leaked_share", grade, None, rows, at=at, status="not_applicable", note=why)


def leak_measure(grade: Grade, role: DatasetRole, found: Share, level: float) -> Measure:
    """Test rows whose features also stand in the training or tuning data."""
    return _measure(
        "leaked_share",
        grade,
        found.value,
        found.denominator,
        at={"dataset": role},
        counts=(found.numerator, found.denominator),
        interval=(found.low, found.high, level, "wilson"),
    )


def group_measures(grouping: Grouping, grade: Grade) -> Iterator[Measure]:
    """Rows and share of every group, and the smallest of those that occur."""
    rows = grouping.outcomes.sum(axis=1)
    known = int(rows.sum())
    for group, count in zip(grouping.groups, rows.tolist(), strict=True):
        yield _measure("group_rows", grade, count, known, slice=group)
        yield _measure(
            "group_share",
            grade,
            count / known if known else None,
            known,
            slice=group,
            counts=(count, known),
            status="measured" if known else "insufficient",
            note=None if known else "no row has a known group",
        )
    occurring = rows[rows > 0]
    empty = len(rows) - len(occurring) + grouping.unlisted
    yield _measure(
        "smallest_group_rows",
        grade,
        int(occurring.min()) if len(occurring) else 0,
        known,
        over=grouping.over,
        note=f"{empty:,} possible groups have no rows at all" if empty else None,
    )


def missing_series(profile: Profile) -> Series:
    """Missing cells by column, the most first."""
    columns = sorted(profile.test.columns, key=lambda column: -column.missing)[:_MOST_POINTS]
    return Series(
        id="data_quality.missing",
        title="Missing values by column",
        method=_METHOD,
        columns=(
            SeriesColumn(name="column", unit="name", values=tuple(c.name for c in columns)),
            SeriesColumn(name="missing", unit="count", values=tuple(c.missing for c in columns)),
            SeriesColumn(
                name="share",
                unit="share",
                values=tuple(c.missing / c.rows if c.rows else 0.0 for c in columns),
            ),
        ),
    )


def suspicious_series(found: Sequence[tuple[str, str, float, int]]) -> Series:
    """Columns that alone nearly determine the label."""
    rows = list(found)[:_MOST_POINTS]
    return Series(
        id="data_quality.suspicious_features",
        title="Columns that nearly give the label away",
        method=_METHOD,
        columns=(
            SeriesColumn(name="column", unit="name", values=tuple(row[0] for row in rows)),
            SeriesColumn(name="statistic", unit="name", values=tuple(row[1] for row in rows)),
            SeriesColumn(name="value", unit="share", values=tuple(row[2] for row in rows)),
            SeriesColumn(name="rows", unit="count", values=tuple(row[3] for row in rows)),
        ),
    )
