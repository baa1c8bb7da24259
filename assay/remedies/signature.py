"""The signature of a network that does not exist yet, from the rows that it will be trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from assay.contracts import (
    ColumnSummary,
    ImageInput,
    InputColumn,
    ModelSignature,
    OutputKind,
    Profile,
    SubjectProtocol,
    Task,
)
from assay.datasets.model_columns import AS_READ
from assay.datasets.table import Table
from assay.errors import BadInput, nearest

__all__ = ["Inferred", "infer_signature"]

_IMAGES = 10_000
"""Training images whose pixels give mean and scale."""


class Inferred(NamedTuple):
    """The signature, and sentences on what was left out of it."""

    signature: ModelSignature
    notes: tuple[str, ...]


def infer_signature(
    subject: SubjectProtocol,
    rows: np.ndarray,
    *,
    use_sensitive: bool = False,
    ignore: Sequence[str] = (),
    max_categories: int = 100,
    classes: tuple[str, ...] | None = None,
    output: OutputKind | None = None,
) -> Inferred:
    """What a network trained on these training rows reads and gives.

    Numbers are standardised by the mean and standard deviation of the rows (missing ones become the mean),
    categories one-hot. Identifiers, clusters, texts, and columns without two different values are left out,
    and sensitive columns too unless `use_sensitive`.

    Args:
        rows: the training rows (0-based) that means, scales and ranges are taken from.
        ignore: columns that are left out besides.
        max_categories: a category column with more values is left out, with a note.
        classes, output: replace those that follow from the label.

    Raises:
        BadInput: no column is left to read, one to ignore is not there, or the data is text.
    """
    profile = subject.profile
    task = profile.signature.task
    names = classes or profile.signature.classes
    kind: OutputKind = output or ("score" if task == "regression" else "logit")
    favourable = names[1] if task == "binary" else profile.signature.favourable
    if profile.modality == "text":
        raise BadInput("A network for texts is not trained from scratch; fine-tune one with --model.")
    if profile.modality == "image":
        image = _image(subject, rows)
        return Inferred(_made(task, kind, names, favourable, (), image), ())
    wanted = _wanted(profile, subject.dataset("training"), use_sensitive, ignore)
    columns, notes = _columns(wanted, subject.dataset("training"), rows, max_categories)
    if not columns:
        raise BadInput(
            "No column is left for the network to read: all are labels, sensitive, identifiers, texts or "
            "constant. Set use_sensitive, or give more columns."
        )
    return Inferred(_made(task, kind, names, favourable, columns, None), notes)


def _made(
    task: Task,
    output: OutputKind,
    classes: tuple[str, ...],
    favourable: str | None,
    columns: tuple[InputColumn, ...],
    image: ImageInput | None,
) -> ModelSignature:
    return ModelSignature(
        schema_id="assay.signature/1",
        task=task,
        output=output,
        classes=() if task == "regression" else classes,
        favourable=favourable,
        columns=columns,
        image=image,
    )


def _wanted(profile: Profile, table: Table, use_sensitive: bool, ignore: Sequence[str]) -> list[str]:
    """The columns to read, in the table's order."""
    order = [column.name for column in table.profile.columns]
    allowed = {*profile.roles.features, *(profile.roles.sensitive if use_sensitive else ())}
    for name in ignore:
        if name not in order:
            close = nearest(name, order)
            hint = f" Columns close to it: {close}." if close else ""
            raise BadInput(f'{table.profile.name} has no column "{name}", which is to be ignored.{hint}')
    return [name for name in order if name in allowed and name not in ignore and not name.endswith(AS_READ)]


def _columns(
    wanted: Sequence[str], table: Table, rows: np.ndarray, max_categories: int
) -> tuple[tuple[InputColumn, ...], tuple[str, ...]]:
    summaries = {summary.name: summary for summary in table.profile.columns}
    columns: list[InputColumn] = []
    notes: list[str] = []
    for name in wanted:
        stored = summaries.get(name + AS_READ) or summaries[name]
        found = _column(name, stored, table, rows, max_categories)
        if isinstance(found, InputColumn):
            columns.append(found)
        else:
            notes.append(f'Column "{name}" is not read: {found}.')
    return tuple(columns), tuple(notes)


def _column(
    name: str, stored: ColumnSummary, table: Table, rows: np.ndarray, max_categories: int
) -> InputColumn | str:
    """The input column, or why it is left out."""
    if stored.kind == "text":
        return "it holds texts"
    if stored.kind == "category":
        if not stored.categories and stored.rows > stored.missing:
            return f"it has more categories than max_categories ({max_categories:,})"
        present = [value for value, count in zip(stored.categories, stored.counts, strict=True) if count]
        if len(present) < 2:
            return "it is constant"
        if len(present) > max_categories:
            return f"it has {len(present):,} categories, max_categories is {max_categories:,}"
        return InputColumn(name=name, kind="category", encoding="one_hot", categories=tuple(present))
    values = np.concatenate([batch.numbers(stored.name) for batch in table.batches([stored.name])])[rows]
    values = values[np.isfinite(values)]
    if not len(values):
        return "it has no value in the training rows"
    scale = float(values.std())
    if not scale > 0 or values.min() == values.max():
        return "it is constant"
    return InputColumn(
        name=name,
        kind="number",
        encoding="standard",
        mean=float(values.mean()),
        scale=scale,
        minimum=float(values.min()),
        maximum=float(values.max()),
        integer=bool((values == np.rint(values)).all()),
    )


def _image(subject: SubjectProtocol, rows: np.ndarray) -> ImageInput:
    """Mean and standard deviation a channel; a channel that never changes keeps scale 1."""
    pixels = np.asarray(subject.inputs("training", rows[:_IMAGES]), dtype=np.float64)
    mean, scale = pixels.mean(axis=(0, 2, 3)), pixels.std(axis=(0, 2, 3))
    _, channels, height, width = pixels.shape
    return ImageInput(
        channels=channels,
        height=height,
        width=width,
        mean=tuple(float(value) for value in mean),
        scale=tuple(float(value) if value > 0 else 1.0 for value in scale),
    )
