"""Which rows a membership attack is tried on: members and non-members, none of which is both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import DatasetRole, Profile, SubjectProtocol
from assay.datasets.row_hash import Hashes, combine_hashes, hash_numbers, hash_strings

__all__ = ["Drawn", "draw_rows", "group_codes", "sensitive_in_both"]

_CHUNK = {"table": 65_536, "text": 8_192, "image": 256}
"""Rows read at once while they are hashed."""

Rows = npt.NDArray[np.int64]


class Drawn(NamedTuple):
    """Row numbers, ascending: as many training rows as rows that the model was not trained on."""

    members: Rows
    others: Rows
    shared_members: int
    """Training rows that have an equal row among the others."""
    shared_others: int
    repeated: int
    """Rows left out because an equal row stands in what was not drawn of their own, larger dataset."""


def draw_rows(
    subject: SubjectProtocol, most: int, rng: np.random.Generator, progress: Callable[[float], None]
) -> Drawn:
    """An equal number of members and non-members, at most `most` of each, drawn at random.

    Rows that stand in both datasets (equal in all that the model reads and in the label) are no evidence
    either way and are left out, as are rows without a label.

    Leaving them out must not tell the sides apart by itself. A row is the rarer, the more rows it was not
    found among; and rare rows have large losses. So the larger dataset is first cut to the size of the
    smaller at random, and on both sides a row is left out if an equal one stands on the other side or in what
    was cut off. The sides are then exchangeable whenever the datasets were drawn alike and nothing leaks.
    """
    role = subject.profile.asked_role
    own = _record_hashes(subject, "training", lambda done: progress(done / 2))
    other = _record_hashes(subject, role, lambda done: progress(0.5 + done / 2))
    size = min(own[0].size, other[0].size)
    (own_rows, own_drawn, own_rest), (other_rows, other_drawn, other_rest) = (
        _cut(*side, size, rng) for side in (own, other)
    )
    rest = np.concatenate([own_rest, other_rest])
    kept_own = ~np.isin(own_drawn, np.concatenate([other_drawn, rest]))
    kept_other = ~np.isin(other_drawn, np.concatenate([own_drawn, rest]))
    shared_own, shared_other = np.isin(own[1], other[1]), np.isin(other[1], own[1])
    repeated = int((~kept_own & ~np.isin(own_drawn, other[1])).sum())
    repeated += int((~kept_other & ~np.isin(other_drawn, own[1])).sum())
    size = min(most, int(kept_own.sum()), int(kept_other.sum()))
    return Drawn(
        _some(own_rows[kept_own], size, rng),
        _some(other_rows[kept_other], size, rng),
        int(shared_own.sum()),
        int(shared_other.sum()),
        repeated,
    )


def _cut(rows: Rows, hashes: Hashes, size: int, rng: np.random.Generator) -> tuple[Rows, Hashes, Hashes]:
    """`size` of the rows at random, in their order, their hashes, and the hashes of all other rows."""
    chosen = np.zeros(rows.size, dtype=bool)
    chosen[rng.permutation(rows.size)[:size] if size < rows.size else slice(None)] = True
    return rows[chosen], hashes[chosen], hashes[~chosen]


def sensitive_in_both(profile: Profile) -> tuple[str, ...]:
    """Sensitive attributes that are known, as groups, of members and of non-members."""
    known = []
    for name in profile.roles.sensitive:
        summaries = [
            next((c for c in dataset.columns if c.name == name), None)
            for dataset in (profile.dataset("training"), profile.dataset(profile.asked_role))
            if dataset is not None
        ]
        if len(summaries) == 2 and all(s is not None and s.kind == "category" for s in summaries):
            known.append(name)
    return tuple(known)


def group_codes(subject: SubjectProtocol, role: DatasetRole, name: str, rows: Rows) -> npt.NDArray[np.int64]:
    """The group of each row as its place among the categories of the non-members' dataset; -1 = none."""
    profile = subject.profile
    asked, own = profile.dataset(profile.asked_role), profile.dataset(role)
    assert asked is not None
    assert own is not None
    places = {group: place for place, group in enumerate(asked.column(name).categories)}
    lookup = np.array([*(places.get(group, -1) for group in own.column(name).categories), -1])
    found = np.full(rows.size, -1, dtype=np.int64)
    for batch in subject.dataset(role).batches([name]):
        first, stop = np.searchsorted(rows, (batch.start, batch.start + batch.rows))
        found[first:stop] = lookup[batch.codes(name)[rows[first:stop] - batch.start]]
    return found


def _some(rows: Rows, size: int, rng: np.random.Generator) -> Rows:
    return np.sort(rng.choice(rows, size, replace=False)) if size < rows.size else rows


def _record_hashes(
    subject: SubjectProtocol, role: DatasetRole, progress: Callable[[float], None]
) -> tuple[Rows, Hashes]:
    """The rows that have a label, and a hash of what the model reads of each together with its label."""
    dataset = subject.profile.dataset(role)
    total = 0 if dataset is None else dataset.rows
    rows, hashes = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
    size = _CHUNK[subject.profile.modality]
    for first in range(0, total, size):
        chunk = np.arange(first, min(first + size, total))
        labels = np.asarray(subject.labels(role, chunk), dtype=np.float64)
        known = np.isfinite(labels) & ((labels >= 0) | (subject.profile.signature.task == "regression"))
        content = _content_hashes(subject.inputs(role, chunk))
        rows.append(chunk[known])
        hashes.append(combine_hashes([content, hash_numbers(labels)])[known])
        progress((first + chunk.size) / total)
    return np.concatenate(rows), np.concatenate(hashes)


def _content_hashes(inputs: Any) -> Hashes:
    if not isinstance(inputs, np.ndarray):
        return hash_strings(inputs)
    if inputs.ndim == 2:
        return combine_hashes([hash_numbers(inputs[:, place]) for place in range(inputs.shape[1])])
    flat = np.ascontiguousarray(inputs).reshape(len(inputs), -1)
    digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in flat]
    return np.frombuffer(b"".join(digests), dtype=np.uint64)
