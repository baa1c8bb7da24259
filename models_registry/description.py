"""What the columns of a dataset version mean: the engine's DataRequest without its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from assay.contracts import DataRequest, EndpointRequest, FileRequest, Frozen, ModelRequest
from models_registry.files import copy_into, path_of
from models_registry.models import DatasetFile, DatasetVersion, ModelVersion

__all__ = [
    "DataDescription",
    "data_request",
    "lay_out",
    "lay_out_data",
    "lay_out_model",
    "model_request",
    "request_of",
]


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


def lay_out_model(folder: Path, model: ModelVersion) -> Path:
    """Put a version's stored files under `folder`/model; returns what the engine is to load."""
    copy_into(
        folder / "model",
        {m.path: path_of(model.organisation_id, m.file.sha256) for m in model.members.select_related("file")},
    )
    return _model_path(folder / "model")


def model_request(folder: Path, model: ModelVersion, device: str) -> ModelRequest | None:
    """The engine's request for a version that was laid out under `folder`; None for predictions."""
    if model.source == ModelVersion.Source.PREDICTIONS:
        return None
    if model.source == ModelVersion.Source.ENDPOINT:
        return ModelRequest(endpoint=EndpointRequest.model_validate(model.endpoint), device=device)
    return ModelRequest(path=str(_model_path(folder / "model")), device=device)


def lay_out_data(folder: Path, data: DatasetVersion) -> None:
    """Put a version's stored files under `folder`/data/<role>/<name>: reports call a file by its name."""
    copy_into(
        folder / "data",
        {
            f"{f.role}/{Path(f.name).name}": path_of(data.organisation_id, f.file.sha256)
            for f in data.files.select_related("file")
        },
    )


def lay_out(folder: Path, model: ModelVersion, data: DatasetVersion) -> None:
    """Put the stored files of a subject under `folder`."""
    lay_out_model(folder, model)
    lay_out_data(folder, data)


def data_request(folder: Path, data: DatasetVersion) -> DataRequest:
    """The engine's request for data by itself that `lay_out_data` put under `folder`."""
    said = DataDescription.model_validate(data.description)
    return DataRequest(**_files(folder, data, said), **said.model_dump(exclude={"header"}))


def request_of(
    folder: Path, model: ModelVersion, data: DatasetVersion, *, remedy: bool = False, device: str = "auto"
) -> DataRequest:
    """The engine's request for a subject that `lay_out` put under `folder`.

    Args:
        remedy: leave the sealed test rows out; training rows lead.
    """
    said = DataDescription.model_validate(data.description)
    files = _files(folder, data, said)
    if remedy:
        if files["training"] is None and said.roles_column is not None:
            files["training"] = files["test"]
        files["test"] = files["asked"] = None
    predicted = model.source == ModelVersion.Source.PREDICTIONS
    return DataRequest(
        **files,
        model=model_request(folder, model, device),
        predictions=(model.predictions or None) if predicted else None,
        scores=(model.scores or None) if predicted else None,
        threshold=model.threshold if predicted else None,
        **said.model_dump(exclude={"header"}),
    )


def _files(folder: Path, data: DatasetVersion, said: DataDescription) -> dict[str, FileRequest | None]:
    """The file of each role."""
    found: dict[str, FileRequest | None] = dict.fromkeys(DatasetFile.Role.values)
    for each in data.files.all():
        path = folder / "data" / each.role / Path(each.name).name
        found[each.role] = FileRequest(path=str(path), header=said.header)
    return found


def _model_path(folder: Path) -> Path:
    """The folder, or the one file in it (XGBoost's model.json alone)."""
    members = list(folder.iterdir()) if folder.is_dir() else []
    return members[0] if len(members) == 1 and members[0].is_file() else folder
