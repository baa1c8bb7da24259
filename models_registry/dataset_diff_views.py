"""Pages that compare two versions of a dataset, and that put right what was inferred of one."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import member
from assay.contracts import QUANTILE_SHARES
from assay.errors import AssayError
from assay.report.formatting import significant
from models_registry import presenting, services
from models_registry.column_form import ColumnsForm
from models_registry.dataset_diff import ColumnDiff, DatasetDiff, diff_of
from models_registry.models import DatasetFile, DatasetVersion, IntakeState

__all__ = ["correct_columns", "dataset_diff"]

_QUANTILES = {0.05: "5 %", 0.25: "25 %", 0.5: "median", 0.75: "75 %", 0.95: "95 %"}
"""Those that are told in words."""

_OTHER_FILES = {"attributes": "another file of attributes", "predictions": "another log of predictions"}
"""Files that are no rows of their own, which the parts do not tell of."""


@member()
def dataset_diff(request: Any, pk: uuid.UUID, other: uuid.UUID) -> HttpResponse:
    """What differs from version `pk` to version `other`."""
    before, after = _version(request, pk), _version(request, other)
    unread = [each for each in (before, after) if each.state != IntakeState.READY or not each.profile]
    found = None
    if not unread:
        found = diff_of(before, after, presenting.said_of(before), presenting.said_of(after))
    return render(
        request,
        "models_registry/dataset_diff.html",
        {
            "before": before,
            "after": after,
            "dataset": after.dataset,
            "system": after.dataset.system,
            "unread": unread,
            "diff": found,
            "quantile_error": "" if found is None else _error(found),
            "files": []
            if found is None
            else [(DatasetFile.Role(role).label, one, other) for role, one, other in found.files],
            "sentence": "" if found is None else _sentence(found),
            "parts": []
            if found is None
            else [(part, [_drawn(c) for c in part.columns]) for part in found.parts],
        },
    )


@member("register")
def correct_columns(request: Any, pk: uuid.UUID) -> HttpResponse:
    """Kind and role of every column as inferred; what is put right makes a new version of the same files."""
    version = _version(request, pk)
    context = {"version": version, "dataset": version.dataset, "system": version.dataset.system}
    if version.state != IntakeState.READY or not version.profile:
        return render(request, "models_registry/columns_unread.html", context)
    form = ColumnsForm(request.POST or None, version=version)
    if form.is_bound and form.is_valid():
        said = form.cleaned_data
        try:
            made = services.correct_dataset_version(
                version,
                said["description"],
                by=request.user,
                label=said["label"],
                disjoint=said["disjoint"],
                key=said["key"],
            )
        except AssayError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "A new version of the same files is being read with your corrections.")
            return redirect("models_registry:dataset_version", request.organisation.slug, made.pk)
    status = 400 if form.is_bound else 200
    return render(request, "models_registry/columns_form.html", {**context, "form": form}, status=status)


class Bar(NamedTuple):
    """A share before and after, each 0..100, with its words."""

    name: str
    before: float
    after: float
    words: str


class Span(NamedTuple):
    """How numbers of one version lie, on a scale of 0..100 that both versions share.

    From the 5 % to the 95 % quantile with a box around the middle half and a mark at the median; from least
    to greatest with a mark at the mean where there are no quantiles.
    """

    before: bool
    start: float
    width: float
    box: tuple[float, float] | None
    """Start and width."""
    mark: float | None
    words: str


class Drawn(NamedTuple):
    """A column's differences as the page draws them."""

    column: ColumnDiff
    missing: str
    n: str
    bars: list[Bar]
    spans: list[Span]


def _drawn(column: ColumnDiff) -> Drawn:
    bars = [
        Bar(
            each.name,
            round(100 * (each.before or 0.0), 2),
            round(100 * (each.after or 0.0), 2),
            _percent(each.after if column.change == "added" else each.before)
            if column.change in ("added", "removed")
            else f"{_percent(each.before)} → {_percent(each.after)}{_moved(each.before, each.after)}",
        )
        for each in column.categories
    ]
    missing = [_percent(each) for each in (column.missing_before, column.missing_after) if each is not None]
    n = [f"{each:,}" for each in (column.n_before, column.n_after) if each is not None]
    return Drawn(column, _one_or_both(missing), _one_or_both(n), bars, _spans(column))


def _one_or_both(words: list[str]) -> str:
    """Of a version alone, of both where they say the same, or from the one to the other."""
    return " → ".join(dict.fromkeys(words)) or "–"


def _spans(column: ColumnDiff) -> list[Span]:
    both = (
        (True, column.lowest_before, column.highest_before, column.mean_before, column.quantiles_before),
        (False, column.lowest_after, column.highest_after, column.mean_after, column.quantiles_after),
    )
    sides = [side for side in both if side[1] is not None and side[2] is not None]
    if not sides:
        return []
    drawn = all(quantiles for *_, quantiles in sides)
    ends = [q for *_, quantiles in sides for q in (quantiles[0], quantiles[-1])] if drawn else []
    ends = ends or [end for _, low, high, _, _ in sides for end in (low or 0.0, high or 0.0)]
    least, scale = min(ends), (max(ends) - min(ends)) or 1.0

    def place(value: float) -> float:
        return round(min(100.0, max(0.0, 100 * (value - least) / scale)), 2)

    found = []
    for is_before, low, high, mean, quantiles in sides:
        words = f"{significant(low or 0.0, 6)} to {significant(high or 0.0, 6)}"
        words += "" if mean is None else f", mean {significant(mean)}"
        first, last, mark = low or 0.0, high or 0.0, mean
        if quantiles:
            words += "; " + ", ".join(
                f"{_QUANTILES[share]} {significant(value)}"
                for share, value in zip(QUANTILE_SHARES, quantiles, strict=True)
                if share in _QUANTILES
            )
        box = None
        if drawn:
            _, first, lower, mark, upper, last, _ = quantiles
            box = (place(lower), round(place(upper) - place(lower), 2))
        found.append(
            Span(
                before=is_before,
                start=place(first),
                width=round(place(last) - place(first), 2),
                box=box,
                mark=None if mark is None else place(mark),
                words=words,
            )
        )
    return found


def _moved(before: float | None, after: float | None) -> str:
    """By how many percentage points a share moved."""
    if before is None or after is None:
        return ""
    return f" ({100 * (after - before):+.1f} points)".replace("-", "−")


def _error(diff: DatasetDiff) -> str:
    """How far quantiles may be off; empty where all are exact."""
    worst = max((column.quantile_error for part in diff.parts for column in part.columns), default=0.0)
    return f"{100 * worst:.2f} percentage points" if worst else ""


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f} %"


def _sentence(diff: DatasetDiff) -> str:
    """The answer of the page, in a sentence."""
    if diff.same:
        return "Nothing differs: the same files, with the same words about their columns."
    counted = {"added": 0, "removed": 0, "changed": 0, "shifted": 0}
    for part in diff.parts:
        for column in part.columns:
            counted[column.change] += 1
    words = [
        f"{count} {'column' if count == 1 else 'columns'} {what}"
        for what, count in (
            ("added", counted["added"]),
            ("removed", counted["removed"]),
            ("of another kind or role", counted["changed"]),
            ("with other values", counted["shifted"]),
        )
        if count
    ]
    rows = [
        f"{part.rows_after - part.rows_before:+,} {part.role} rows".replace("-", "−")
        for part in diff.parts
        if part.rows_before is not None
        and part.rows_after is not None
        and part.rows_after != part.rows_before
    ]
    files = [_OTHER_FILES[role] for role, _, _ in diff.files if role in _OTHER_FILES]
    if not diff.files and all(part.same_file for part in diff.parts):
        files = ["the same files"]
    said = [*files, *rows, *words]
    return f"{', '.join(said)[:1].upper()}{', '.join(said)[1:]}." if said else "Only words about them differ."


def _version(request: Any, pk: uuid.UUID) -> DatasetVersion:
    found: DatasetVersion = get_object_or_404(
        DatasetVersion.objects.of(request.organisation).select_related("dataset__system", "created_by"), pk=pk
    )
    return found
