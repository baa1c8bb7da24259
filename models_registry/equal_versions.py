"""Finding the version that is there already, so that the same files brought again make no second one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from assay.contracts import ModelSignature
from models_registry.description import DataDescription
from models_registry.models import Dataset, DatasetVersion, IntakeState, Model, ModelVersion, VersionFile
from models_registry.versions import dataset_digest, predictions_digest

__all__ = ["equal_dataset_version", "equal_model_version", "equal_predictions_version"]

_SOUND = (IntakeState.WAITING, IntakeState.READING, IntakeState.READY)
"""What was refused or could not be read is no reason not to bring it again."""


def equal_model_version(
    model: Model,
    files: Mapping[str, str],
    signature: ModelSignature | None,
    label: str = "",
    *,
    base: UUID | None = None,
) -> ModelVersion | None:
    """The newest version of exactly these files, this signature and this base (2 queries).

    Args:
        files: path -> sha256 of what would be uploaded.
        label: where given, only a version of this name is the same.
        base: of an adapter, the id of the version that it changes.
    """
    if not files:
        return None
    path, sha256 = next(iter(files.items()))
    alike = VersionFile.objects.filter(
        version__model=model, path=path, file__sha256=sha256, origin=VersionFile.Origin.UPLOADED
    )
    said = signature.model_dump(mode="json") if signature is not None else None
    found = [
        version
        for version in _named(ModelVersion, label).filter(model=model, pk__in=alike.values("version"))
        if version.said_signature == said and version.base_id == base
    ]
    members: dict[Any, dict[str, str]] = {version.pk: {} for version in found}
    uploaded = VersionFile.objects.filter(version__in=found, origin=VersionFile.Origin.UPLOADED)
    for version, member, digest in uploaded.values_list("version", "path", "file__sha256"):
        members[version][member] = digest
    return next((version for version in found if members[version.pk] == dict(files)), None)


def equal_predictions_version(
    model: Model, predictions: str, scores: str, threshold: float | None, label: str = ""
) -> ModelVersion | None:
    """The newest version that is these columns of predictions (1 query)."""
    digest = predictions_digest(predictions.strip(), scores.strip(), threshold)
    rows = _named(ModelVersion, label).filter(model=model, source=ModelVersion.Source.PREDICTIONS)
    found: ModelVersion | None = rows.filter(sha256=digest).first()
    return found


def equal_dataset_version(
    dataset: Dataset,
    files: Mapping[str, str],
    description: DataDescription,
    *,
    disjoint: bool = False,
    label: str = "",
) -> DatasetVersion | None:
    """The newest version of exactly these files, with these words about their columns (1 query).

    Args:
        files: row role -> sha256.
        disjoint: where attested now, only a version of which it was attested is the same.
    """
    digest = dataset_digest(files, description.model_dump(mode="json"))
    rows = _named(DatasetVersion, label).filter(dataset=dataset, sha256=digest)
    if disjoint:
        rows = rows.filter(disjoint=True)
    found: DatasetVersion | None = rows.first()
    return found


def _named(kind: Any, label: str) -> Any:
    rows = kind.unscoped.filter(state__in=_SOUND).order_by("-number")
    return rows.filter(label=label.strip()) if label.strip() else rows
