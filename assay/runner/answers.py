"""What a child says of its subject, held against itself and against what evidence can hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.canonical import NotCanonical, canonical_json
from assay.contracts import DataRequest, DatasetProfile, FileRequest, ModelFacts, ModelRequest, Profile
from assay.errors import ChildFailed
from assay.evidence import digest
from assay.intake.column_names import MAX_COLUMNS
from assay.intake.image_files import image_folder_digest
from assay.intake.limits import LISTED_CATEGORIES, MAX_OUTPUTS, MAX_ROWS
from assay.intake.mlflow_folder import is_mlflow
from assay.intake.model_files import digests_of, file_digest
from assay.intake.roles import MOST_INFERRED

__all__ = ["check_datasets", "check_files", "check_model", "check_profile", "check_sound", "checked_data"]

_MOST_SAID = 8 * 2**20
"""Bytes of JSON that a shard may say beside its arrays."""
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_OF_A_MODEL = frozenset({"query", "gradients", "layers", "weights", "trainable", "tokens", "generation"})


def check_sound(said: Any, what: str, most: int | None = None) -> None:
    """Whether it can be written into evidence at all.

    Raises:
        ChildFailed: numbers that are not finite or beyond 2^53, half characters, NULs, nesting without end,
            more than `most` bytes of JSON.
    """
    try:
        written = canonical_json(said)
    except (NotCanonical, RecursionError) as error:
        raise ChildFailed(f"The child's {what} breaks its contract: no reader could keep it.") from error
    size = len(written)
    if _NUL.search(written):
        raise ChildFailed(f"The child's {what} breaks its contract: it holds a NUL, which no database keeps.")
    if most is not None and size > most:
        raise ChildFailed(f"The child's {what} breaks its contract: {size:,} bytes; {most:,} are the most.")


def checked_data(header: Mapping[str, Any], method: str) -> dict[str, Any]:
    """What a shard says beside its arrays. Raises ChildFailed as `check_sound` does."""
    data = header.get("data")
    if not isinstance(data, dict):
        raise ChildFailed(f"The child's answer to {method} breaks its contract.")
    check_sound(data, f"answer to {method}", _MOST_SAID)
    return data


def check_datasets(datasets: Iterable[DatasetProfile], classes: int = 0) -> None:
    """Whether data can be as a child says; plans and merges are as long and as wide as that.

    Raises:
        ChildFailed: more or fewer rows than there can be, columns twice, counts that do not fit the rows.
    """
    roles: set[str] = set()
    for dataset in datasets:
        rows, names = dataset.rows, {column.name for column in dataset.columns}
        if not 0 <= rows <= MAX_ROWS:
            raise ChildFailed(
                f"The {dataset.role} data have {f'{rows:,}'[:40]} rows, says the child; at most "
                f"{MAX_ROWS:,} are audited."
            )
        fits = dataset.role not in roles and len(names) == len(dataset.columns) <= MAX_COLUMNS
        for column in dataset.columns:
            listed, counts = column.categories, column.counts
            fits = fits and len(listed) <= max(LISTED_CATEGORIES, classes) and len(counts) in (0, len(listed))
            fits = fits and all(
                0 <= count <= rows for count in (column.missing, column.distinct or 0, *counts)
            )
        if not fits:
            raise ChildFailed(f"What the child says of the {dataset.role} data does not fit together.")
        roles.add(dataset.role)


def check_model(facts: ModelFacts, request: ModelRequest) -> None:
    """Whether the model is the one that was handed over: its digest is computed here, and nothing opened.

    What cleaning wrote in the child's own folder has a digest that only the child knows.

    Raises:
        ChildFailed: the child tells of another one.
    """
    if request.endpoint is not None:
        described = request.endpoint.model_dump(mode="json", exclude={"limits", "key", "seed"})
        fits = facts.endpoint is not None and facts.sha256 == digest(described)
    else:
        came = digests_of(Path(request.path))
        gate, before = facts.gate, request.gate
        fits = gate is not None and (gate == before if before is not None else gate.sha256 == came[0])
        if before is not None or (gate is not None and gate.trust == "A"):
            fits = fits and _one_of(facts.sha256, Path(request.path), came)
    if request.base is not None and facts.base is not None:
        base = Path(request.base)
        fits = fits and _one_of(facts.base.sha256, base, digests_of(base))
    if not fits or (request.base is None) != (facts.base is None):
        raise ChildFailed("The child tells of another model than the one that it was given.")


def _one_of(sha256: str, path: Path, digests: Sequence[str]) -> bool:
    """The folder, or the one file in it that is the model; an MLmodel file leads to a folder inside."""
    return sha256 in digests or is_mlflow(path)


def check_files(datasets: Iterable[DatasetProfile], request: DataRequest) -> None:
    """Whether data are the files that were handed over. Raises ChildFailed: the child tells of others."""
    known: dict[str, str] = {}
    for dataset in datasets:
        file: FileRequest = getattr(request, dataset.role, None) or request.leading[1]
        path = Path(file.path)
        if file.path not in known and path.exists():
            known[file.path] = image_folder_digest(path) if path.is_dir() else file_digest(path)
        if dataset.sha256 != known.get(file.path, dataset.sha256):
            raise ChildFailed(f"The child tells of other {dataset.role} data than those that it was given.")


def check_profile(profile: Profile, request: DataRequest) -> None:
    """Whether a profile fits itself and the request: methods rely on it outside of the child.

    Raises:
        ChildFailed: data, roles, classes or capabilities that do not go together.
    """
    signature, roles = profile.signature, profile.roles
    check_datasets(profile.datasets, len(signature.classes))
    leading = profile.dataset(request.leading[0])
    classes = signature.classes
    fits = len(set(classes)) == len(classes) <= MAX_OUTPUTS
    fits = fits and (signature.task != "binary" or len(classes) == 2)
    fits = fits and (signature.favourable is None or signature.favourable in classes)
    most = len(request.sensitive) if request.sensitive else MOST_INFERRED
    fits = fits and len(set(roles.sensitive)) == len(roles.sensitive) <= most
    if request.model is None:
        fits = fits and profile.model is None and not _OF_A_MODEL & set(profile.capabilities)
    else:
        fits = fits and profile.model is not None and profile.model_signature is not None
    needed = {"labels": roles.label, "sensitive": roles.sensitive, "scores": roles.score}
    needed["predictions"] = roles.prediction or roles.score
    fits = fits and all(part for name, part in needed.items() if name in profile.capabilities)
    if leading is not None:
        named = (roles.label, roles.prediction, roles.score, roles.cluster, roles.text, roles.image)
        wanted = {*roles.sensitive, *roles.features, *(name for name in named if name is not None)}
        fits = fits and wanted <= {column.name for column in leading.columns}
    if leading is None or not fits:
        raise ChildFailed("The child's profile breaks its contract: its parts do not fit together.")
    check_sound(profile.model_dump(mode="json"), "profile")
    check_files(profile.datasets, request)
    if request.model is not None and profile.model is not None:
        check_model(profile.model, request.model)
