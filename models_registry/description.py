"""What the columns of a dataset version mean: the engine's DataRequest without its files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from django.utils.text import slugify
from pydantic import Field

from assay.contracts import DataRequest, EndpointRequest, FileRequest, Frozen, GateVerdict, ModelRequest
from models_registry.files import copy_into, path_of
from models_registry.models import DatasetFile, DatasetVersion, ModelVersion, VersionFile

__all__ = [
    "CLEANED",
    "JOINED",
    "DataDescription",
    "cleaned_name",
    "data_request",
    "endpoint_of",
    "lay_out",
    "lay_out_data",
    "lay_out_model",
    "model_request",
    "request_of",
]

CLEANED, BASE = "cleaned", "base"
_SAID = Path("said") / "signature.json"


Kind = Literal["number", "category", "text"]
JOINED = (DatasetFile.Role.ATTRIBUTES, DatasetFile.Role.PREDICTIONS)
"""Roles whose rows are found by id, beside those that are rows of the data."""


def _unsaid(value: object) -> bool:
    """Left out of the JSON, so that what was hashed before there was such a field keeps its digest."""
    return not value


class DataDescription(Frozen):
    """Roles and options of a dataset version's columns; stored with it and hashed into it."""

    label: str | None = None
    sensitive: tuple[str, ...] = ()
    favourable: str | None = None
    task: Literal["binary", "multiclass", "regression"] | None = None
    cluster: str | None = None
    identifier: str | None = None
    attributes_id: str | None = Field(None, exclude_if=_unsaid)
    """The id's column in the file of attributes, where it is called otherwise than `identifier`."""
    predictions_id: str | None = Field(None, exclude_if=_unsaid)
    predictions_time: str | None = Field(None, exclude_if=_unsaid)
    """Of a log of predictions: the column that says when; of an id's predictions the latest counts."""
    text: str | None = None
    roles_column: str | None = None
    header: tuple[str, ...] | None = None
    bins: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)
    ignored: tuple[str, ...] = Field((), exclude_if=_unsaid)
    """Columns that are not read."""
    without: tuple[Literal["label", "sensitive"], ...] = Field((), exclude_if=_unsaid)
    """Roles that no column plays, whatever it is called; a role without a word is inferred by name."""
    kinds: Mapping[str, Literal["number", "category", "text"]] = Field(
        default_factory=dict, exclude_if=_unsaid
    )
    """What features are where their values mislead."""
    missing: tuple[str, ...] | None = None
    allow_missing: bool = False
    max_groups: Annotated[int, Field(ge=2, le=1000)] = 100


def lay_out_model(folder: Path, model: ModelVersion) -> None:
    """Put what is loaded of a version under `folder`: the files that cleaning wrote, or else the uploaded
    ones, the signature that people gave, and for an adapter the files of its base."""
    members = list(model.members.select_related("file"))
    cleaned = [m for m in members if m.origin == VersionFile.Origin.CLEANED]
    place = folder / CLEANED / cleaned_name(members) if cleaned else folder / "model"
    copy_into(place, {m.path: path_of(model.organisation_id, m.file.sha256) for m in cleaned or members})
    if model.said_signature is not None:
        (folder / _SAID).parent.mkdir(parents=True, exist_ok=True)
        (folder / _SAID).write_text(json.dumps(model.said_signature))
    if model.base is not None:
        below = {
            m.path: path_of(model.organisation_id, m.file.sha256)
            for m in model.base.members.select_related("file")
        }
        copy_into(folder / BASE / (slugify(str(model.base)) or "model"), below)


def model_request(folder: Path, model: ModelVersion, device: str = "auto") -> ModelRequest:
    """The engine's request for a version that `lay_out_model` put under `folder`. What was cleaned once comes
    with the verdict that was stored then, so that nothing of class B is opened again."""
    if (asked := endpoint_of(model)) is not None:
        return ModelRequest(endpoint=asked, device=device)
    cleaned = next(iter((folder / CLEANED).iterdir()), None) if (folder / CLEANED).is_dir() else None
    said = folder / _SAID
    return ModelRequest(
        path=str(cleaned or _model_path(folder / "model")),
        base=str(next((folder / BASE).iterdir())) if model.base_id is not None else None,
        signature=str(said) if said.is_file() else None,
        device=device,
        gate=GateVerdict.model_validate(model.gate) if cleaned is not None else None,
    )


def endpoint_of(version: ModelVersion) -> EndpointRequest | None:
    """What is asked, for versions behind an address."""
    if version.source != ModelVersion.Source.ENDPOINT:
        return None
    return EndpointRequest.model_validate(version.endpoint)


def cleaned_name(members: Sequence[VersionFile]) -> str:
    """What the folder of cleaned files is called: as the one file that was uploaded, or "model"."""
    uploaded = [m for m in members if m.origin == VersionFile.Origin.UPLOADED]
    return PurePosixPath(uploaded[0].path).stem if len(uploaded) == 1 else "model"


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
    files = _files(folder, data, said)
    files.pop("predictions")  # a log is looked at together with the version that names its columns
    return DataRequest(**files, **said.model_dump(exclude={"header"}))


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
    log = files.pop("predictions")
    return DataRequest(
        **files,
        predictions_file=log if predicted and not remedy else None,
        model=None if predicted else model_request(folder, model, device),
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
        header = None if each.role in JOINED else said.header
        found[each.role] = FileRequest(path=str(path), header=header)
    return found


def _model_path(folder: Path) -> Path:
    """The folder, or the one file in it (XGBoost's model.json alone)."""
    members = list(folder.iterdir()) if folder.is_dir() else []
    return members[0] if len(members) == 1 and members[0].is_file() else folder
