"""The API that says, before anything is uploaded, whether the same version is there already."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from ninja import Router, Schema
from pydantic import Field

from accounts.api_auth import require
from models_registry import equal_versions as equal
from models_registry.description import DataDescription
from models_registry.models import Dataset, Model
from models_registry.schemas import (
    DatasetVersionLine,
    FileRole,
    ModelVersionLine,
    PredictionsIn,
    Sha256,
    example,
)
from models_registry.signature_checks import checked_signature

__all__ = ["router"]

router = Router(tags=["registry"])

Label = Annotated[
    str, Field(max_length=60, description="Where given, only a version of this name is the same.")
]


class ModelFilesIn(Schema):
    model_config = example(files={"model.safetensors": "9f" * 32, "signature.json": "0a" * 32})
    files: dict[Annotated[str, Field(max_length=255)], Sha256] = Field(
        min_length=1, max_length=1_000, description="Path -> SHA-256."
    )
    signature: dict[str, Any] | None = Field(None, description="As for a new version.")
    base: UUID | None = Field(None, description="As for a new version.")
    label: Label = ""


class DataFilesIn(Schema):
    model_config = example(
        files={"test": "9f" * 32}, description={"label": "repaid", "sensitive": ["sex"]}, disjoint=True
    )
    files: dict[FileRole, Sha256] = Field(min_length=1, description="Row role -> SHA-256.")
    description: DataDescription = DataDescription()
    disjoint: bool = Field(
        False, description="Where true, only a version of which it was attested is the same."
    )
    label: Label = ""


class EqualModelOut(Schema):
    version: ModelVersionLine | None = Field(description="Null where there is none.")


class EqualDataOut(Schema):
    version: DatasetVersionLine | None = Field(description="Null where there is none.")


@router.post(
    "/models/{model_id}/versions/equal", response=EqualModelOut, summary="Is this model there already"
)
def equal_model(request: Any, model_id: UUID, body: ModelFilesIn) -> Any:
    """The newest sound version of exactly these files; nothing is made."""
    request = require(request, "read")
    model = get_object_or_404(Model.objects.of(request.organisation), pk=model_id)
    signature = checked_signature(body.signature) if body.signature is not None else None
    files = {path: sha256.lower() for path, sha256 in body.files.items()}
    return {"version": equal.equal_model_version(model, files, signature, body.label, base=body.base)}


@router.post(
    "/models/{model_id}/predictions/equal",
    response=EqualModelOut,
    summary="Are these predictions there already",
)
def equal_predictions(request: Any, model_id: UUID, body: PredictionsIn) -> Any:
    """The newest version that is these columns; nothing is made."""
    request = require(request, "read")
    model = get_object_or_404(Model.objects.of(request.organisation), pk=model_id)
    columns = (body.predictions, body.scores, body.threshold)
    return {"version": equal.equal_predictions_version(model, *columns, body.label)}


@router.post(
    "/datasets/{dataset_id}/versions/equal", response=EqualDataOut, summary="Is this data there already"
)
def equal_data(request: Any, dataset_id: UUID, body: DataFilesIn) -> Any:
    """The newest sound version of exactly these files and words about columns; nothing is made."""
    request = require(request, "read")
    dataset = get_object_or_404(Dataset.objects.of(request.organisation), pk=dataset_id)
    files = {str(role): sha256.lower() for role, sha256 in body.files.items()}
    found = equal.equal_dataset_version(
        dataset, files, body.description, disjoint=body.disjoint, label=body.label
    )
    return {"version": found}
