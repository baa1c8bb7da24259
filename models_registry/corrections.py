"""Putting right what is said of a dataset version's columns, without touching the version."""

from __future__ import annotations

import uuid

from accounts.models import User
from models_registry.description import DataDescription
from models_registry.models import DatasetVersion
from models_registry.versions import add_dataset_version

__all__ = ["correct_dataset_version"]


def correct_dataset_version(
    version: DatasetVersion,
    description: DataDescription,
    *,
    by: User,
    label: str = "",
    disjoint: bool = False,
    key: uuid.UUID | None = None,
) -> DatasetVersion:
    """The next version of the same files and datasheet, with other words about the columns.

    A version stays what it was, since audits, reviews and signatures name it by its digest.

    Raises:
        BadInput: as `add_dataset_version`.
    """
    files = {each.role: (each.name, each.file) for each in version.files.select_related("file")}
    return add_dataset_version(
        version.dataset,
        files,
        description,
        by=by,
        origin=version.origin,
        licence=version.licence,
        consent_basis=version.consent_basis,
        period=version.period,
        disjoint=disjoint,
        label=label,
        key=key,
    )
