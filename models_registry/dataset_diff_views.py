"""Pages that compare two versions of a dataset, and that put right what was inferred of one."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import member
from assay.errors import AssayError
from models_registry import presenting, services
from models_registry.column_form import ColumnsForm
from models_registry.dataset_diff import ColumnDiff, DatasetDiff, diff_of
from models_registry.models import DatasetVersion, IntakeState

__all__ = ["correct_columns", "dataset_diff"]


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
    """A range of numbers on a common scale of 0..100: its start, its width, and where its mean lies."""

    start: float
    width: float
    mean: float | None
    words: str


class Drawn(NamedTuple):
    """A column's differences as the page draws them."""

    column: ColumnDiff
    missing: str
    bars: list[Bar]
    spans: list[Span]


def _drawn(column: ColumnDiff) -> Drawn:
    bars = [
        Bar(
            each.name,
            round(100 * (each.before or 0.0), 2),
            round(100 * (each.after or 0.0), 2),
            f"{_percent(each.before)} → {_percent(each.after)}",
        )
        for each in column.categories
    ]
    missing = "–" if column.missing_before is None else _percent(column.missing_before)
    if column.missing_after != column.missing_before:
        missing += f" → {_percent(column.missing_after)}"
    return Drawn(column, missing, bars, _spans(column))


def _spans(column: ColumnDiff) -> list[Span]:
    ends = [column.lowest_before, column.highest_before, column.lowest_after, column.highest_after]
    if any(end is None for end in ends):
        return []
    known = [float(end) for end in ends if end is not None]
    least, scale = min(known), (max(known) - min(known)) or 1.0
    found = []
    for low, high, mean in (
        (known[0], known[1], column.mean_before),
        (known[2], known[3], column.mean_after),
    ):
        words = f"{low:,.6g} to {high:,.6g}" + ("" if mean is None else f", mean {mean:,.4g}")
        place = None if mean is None else round(100 * (mean - least) / scale, 2)
        found.append(
            Span(round(100 * (low - least) / scale, 2), round(100 * (high - low) / scale, 2), place, words)
        )
    return found


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
    files = "the same files" if all(part.same_file for part in diff.parts) else ""
    said = [*([files] if files else []), *rows, *words]
    return f"{', '.join(said)[:1].upper()}{', '.join(said)[1:]}." if said else "Only words about them differ."


def _version(request: Any, pk: uuid.UUID) -> DatasetVersion:
    found: DatasetVersion = get_object_or_404(
        DatasetVersion.objects.of(request.organisation).select_related("dataset__system", "created_by"), pk=pk
    )
    return found
