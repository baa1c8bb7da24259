"""What the columns of a dataset version mean: the engine's DataRequest without its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from assay.contracts import DataRequest, FileRequest, Frozen, ModelRequest
from models_registry.files import link_into, path_of
from models_registry.models import DatasetVersion, ModelVersion

__all__ = ["DataDescription", "lay_out", "request_of"]


class DataDescription(Frozen):
    """Roles and options of a dataset version's columns; stored with it and hashed into it."""

    label: str | None = None
    sensitive: tuple[str, ...] = ()
    favourable: str | None = None
    task: Literal["binary", "multiclass", "regression"] | None = None
    cluster: str | None = None
    identifier: str | None = None
    text: str | None = None
    roles_column: str | None = None
    header: tuple[str, ...] | None = None
    bins: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)
    missing: tuple[str, ...] | None = None
    allow_missing: bool = False
    max_groups: Annotated[int, Field(ge=2, le=1000)] = 100


def lay_out(folder: Path, model: ModelVersion, data: DatasetVersion) -> None:
    """Put the stored files of a subject under `folder`: model/..., data/<role>-<name>."""
    organisation = model.organisation_id
    link_into(
        folder / "model",
        {m.path: path_of(organisation, m.file.sha256) for m in model.members.select_related("file")},
    )
    link_into(
        folder / "data",
        {
            f"{f.role}-{Path(f.name).name}": path_of(organisation, f.file.sha256)
            for f in data.files.select_related("file")
        },
    )


def request_of(
    folder: Path, model: ModelVersion, data: DatasetVersion, *, remedy: bool = False, device: str = "auto"
) -> DataRequest:
    """The engine's request for a subject that `lay_out` put under `folder`.

    Args:
        remedy: leave the sealed test rows out; training rows lead.
    """
    said = DataDescription.model_validate(data.description)
    files = {f.role: folder / "data" / f"{f.role}-{Path(f.name).name}" for f in data.files.all()}

    def named(role: str) -> FileRequest | None:
        return FileRequest(path=str(files[role]), header=said.header) if role in files else None

    training = named("training")
    if remedy and training is None and said.roles_column is not None:
        training = named("test")
    predicted = model.source == ModelVersion.Source.PREDICTIONS
    return DataRequest(
        test=None if remedy else named("test"),
        training=training,
        tuning=named("tuning"),
        asked=None if remedy else named("asked"),
        model=None if predicted else ModelRequest(path=str(_model_path(folder / "model")), device=device),
        predictions=(model.predictions or None) if predicted else None,
        scores=(model.scores or None) if predicted else None,
        threshold=model.threshold if predicted else None,
        **said.model_dump(exclude={"header"}),
    )


def _model_path(folder: Path) -> Path:
    """The folder, or the one file in it (XGBoost's model.json alone)."""
    members = list(folder.iterdir()) if folder.is_dir() else []
    return members[0] if len(members) == 1 and members[0].is_file() else folder
