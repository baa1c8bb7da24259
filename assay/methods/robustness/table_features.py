"""What may change in a row of a table, how far, and in what steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import Profile, SubjectProtocol
from assay.errors import BadParams, nearest

__all__ = ["TableFeatures", "immutable_names", "table_features"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_READ = 50_000
"""Rows, evenly spread, from which spread and range are read."""


class TableFeatures(NamedTuple):
    """One entry a column that the model reads, in the order of its signature."""

    deviation: Floats
    """Standard deviation of a number; 0 for categories and for numbers that do not vary."""
    low: Floats
    high: Floats
    """Range of a number in training (NaN for categories)."""
    integer: Flags
    """Numbers of which only whole ones occur."""
    numeric: Flags
    mutable: Flags
    frequencies: tuple[Floats, ...]
    """Share of each category of a category column; empty for numbers."""
    source: str
    """The rows that spread and range were read from, in words."""

    @property
    def movable(self) -> Flags:
        """The numbers that vary and may be changed."""
        return np.asarray(self.numeric & self.mutable & (self.deviation > 0))


def immutable_names(profile: Profile, asked: Sequence[str] | None, method: str) -> tuple[str, ...]:
    """The columns that no perturbation touches: those asked for, or the sensitive ones that the model reads.

    Raises BadParams for a name that the model does not read.
    """
    signature = profile.model_signature
    columns = [] if signature is None else [column.name for column in signature.columns]
    if asked is None:
        return tuple(name for name in columns if name in profile.roles.sensitive)
    for name in asked:
        if name not in columns:
            close = nearest(name, columns)
            raise BadParams(
                f'{method}: immutable: the model reads no column "{name}".'
                + (f" Close to it: {close}." if close else "")
            )
    return tuple(dict.fromkeys(asked))


def table_features(subject: SubjectProtocol, immutable: Sequence[str]) -> TableFeatures:
    """Spread, range and frequencies from the training rows, or from the rows asked about without any.

    Spread comes from the data and not from the model's own scaling, so that two models compared on one file
    get the same budget. A range stands in the signature or is the observed one.
    """
    profile = subject.profile
    signature = profile.model_signature
    assert signature is not None
    role = "training" if profile.dataset("training") is not None else profile.asked_role
    dataset = profile.dataset(role)
    assert dataset is not None
    rows = np.linspace(0, dataset.rows - 1, min(dataset.rows, _READ)).astype(np.int64)
    values = np.asarray(subject.inputs(role, rows), dtype=np.float64)
    columns = signature.columns
    numeric = np.array([column.kind == "number" for column in columns])
    deviation, low, high = (
        np.zeros(len(columns)),
        np.full(len(columns), np.nan),
        np.full(len(columns), np.nan),
    )
    integer = np.array([column.integer for column in columns])
    frequencies: list[Floats] = []
    for place, column in enumerate(columns):
        known = values[~np.isnan(values[:, place]), place]
        if column.kind == "category":
            counts = np.bincount(known.astype(np.int64), minlength=len(column.categories)).astype(float)
            frequencies.append(counts / max(counts.sum(), 1.0))
            continue
        frequencies.append(np.zeros(0))
        if known.size:
            deviation[place] = known.std()
            low[place] = known.min() if column.minimum is None else column.minimum
            high[place] = known.max() if column.maximum is None else column.maximum
            integer[place] |= bool((known == np.rint(known)).all())
    return TableFeatures(
        deviation=deviation,
        low=low,
        high=high,
        integer=integer & numeric,
        numeric=numeric,
        mutable=np.array([column.name not in immutable for column in columns]),
        frequencies=tuple(frequencies),
        source="the training rows" if role == "training" else "the rows asked about",
    )
