"""Row by row: which row it is, what was predicted of it, and to which groups it belongs.

Made in the child for the annex, so that another run on the same rows can be compared with this one row by
row. A row is known by the content of its columns, apart from the model's answers, so that it is the same row
in whatever file, format and order it comes.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.annex import attribute_array
from assay.contracts import DatasetRole, Profile, SubjectProtocol
from assay.datasets.model_columns import AS_READ
from assay.datasets.row_hash import Hashes, combine_hashes
from assay.datasets.table import predicted, prediction_columns

__all__ = ["identity_columns", "occurrences", "row_arrays"]

_IMAGES = 4_096


def row_arrays(subject: SubjectProtocol) -> dict[str, npt.NDArray[Any]]:
    """Arrays over the test rows, and the identity of the rows that the model is asked about.

    Returns:
        identity uint64 and occurrence uint32 (equal rows are numbered from 0); label and prediction, int32
        codes or for a regression float64; score float64, of the favourable class; attribute_k int32 codes
        of each sensitive attribute, -1 = missing; cluster int32; and asked_identity, asked_occurrence where
        the model is asked about other rows. What a subject has not is left out.
    """
    profile = subject.profile
    found = _identity(subject, "test", "")
    found |= _test_columns(subject, profile)
    if profile.asked_role != "test":
        found |= _identity(subject, profile.asked_role, "asked_")
    return found


def identity_columns(profile: Profile, role: DatasetRole) -> list[str]:
    """The columns by which a row is known, sorted: all but the model's answers and groups made of numbers.

    Nor the column that tells a row its picture: a picture is known by its content.
    """
    dataset = profile.dataset(role)
    assert dataset is not None
    names = {column.name for column in dataset.columns}
    others = {profile.roles.prediction, profile.roles.score, profile.roles.image}
    return sorted(name for name in names - others if name + AS_READ not in names)


def occurrences(identity: Hashes) -> npt.NDArray[np.uint32]:
    """How many equal rows came before each, shape (rows,)."""
    order = np.argsort(identity, kind="stable")
    ordered = identity[order]
    new = np.ones(len(ordered), dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    places = np.arange(len(ordered))
    first = np.maximum.accumulate(np.where(new, places, 0))
    counted = np.empty(len(ordered), dtype=np.uint32)
    counted[order] = places - first
    return counted


def _identity(subject: SubjectProtocol, role: DatasetRole, prefix: str) -> dict[str, npt.NDArray[Any]]:
    columns = identity_columns(subject.profile, role)
    table = subject.dataset(role)
    parts = [batch.row_hashes(columns) for batch in table.batches(columns)] if columns else []
    hashes = np.concatenate(parts) if parts else np.zeros(table.rows, dtype=np.uint64)
    if subject.profile.modality == "image":
        hashes = combine_hashes([hashes, _image_hashes(subject, role, table.rows)])
    return {f"{prefix}identity": hashes, f"{prefix}occurrence": occurrences(hashes)}


def _image_hashes(subject: SubjectProtocol, role: DatasetRole, rows: int) -> Hashes:
    found = np.empty(rows, dtype=np.uint64)
    for first in range(0, rows, _IMAGES):
        images = np.asarray(subject.inputs(role, np.arange(first, min(first + _IMAGES, rows))))
        for place, image in enumerate(images):
            content = hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=8).digest()
            found[first + place] = int.from_bytes(content, "little")
    return found


def _test_columns(subject: SubjectProtocol, profile: Profile) -> dict[str, npt.NDArray[Any]]:
    roles, regression = profile.roles, profile.signature.task == "regression"
    score = None if regression or profile.signature.task != "binary" else roles.score
    asked = [roles.label, *prediction_columns(profile), score, *roles.sensitive, roles.cluster]
    names = list(dict.fromkeys(name for name in asked if name is not None))
    parts: dict[str, list[npt.NDArray[Any]]] = {}
    for batch in subject.dataset("test").batches(names):
        if roles.label is not None:
            label = batch.numbers(roles.label) if regression else batch.codes(roles.label)
            parts.setdefault("label", []).append(label)
        if prediction_columns(profile):
            answer = (
                batch.numbers(prediction_columns(profile)[0]) if regression else predicted(batch, profile)
            )
            parts.setdefault("prediction", []).append(answer)
        if score is not None:
            parts.setdefault("score", []).append(batch.numbers(score))
        for number, name in enumerate(roles.sensitive):
            parts.setdefault(attribute_array(number), []).append(batch.codes(name))
        if roles.cluster is not None:
            parts.setdefault("cluster", []).append(batch.codes(roles.cluster))
    return {name: np.concatenate(pieces) for name, pieces in parts.items()}
