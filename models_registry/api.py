"""The API of the registry: systems, models, datasets and their versions (files: uploads_api.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Status

from accounts.api_auth import ApiRequest, require
from accounts.models import User
from assay.errors import BadInput
from models_registry import presenting, selectors, services
from models_registry.dataset_diff import DatasetDiff, diff_of
from models_registry.endpoints import add_endpoint_version
from models_registry.equal_api import router as equal_router
from models_registry.model_api import router as model_router
from models_registry.models import AISystem, Dataset, DatasetVersion, Model, ModelVersion, StoredFile
from models_registry.schemas import (
    CorrectionIn,
    DatasetIn,
    DatasetOut,
    DatasetVersionIn,
    DatasetVersionLine,
    DatasetVersionOut,
    EndpointIn,
    FileIn,
    ModelIn,
    ModelOut,
    ModelVersionIn,
    ModelVersionLine,
    ModelVersionOut,
    Page,
    PredictionsIn,
    SystemEdit,
    SystemIn,
    SystemOut,
)
from models_registry.signature_checks import checked_signature
from models_registry.uploads_api import router as uploads_router

router = Router(tags=["registry"])
router.add_router("", uploads_router)
router.add_router("", model_router)
router.add_router("", equal_router)

Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]


@router.get("/systems", response=Page[SystemOut], summary="List systems")
def list_systems(
    request: Any,
    search: Annotated[str, Query(max_length=200)] = "",
    archived: bool = False,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Any:
    """AI systems, newest first; `search` looks at name, purpose, owner and number."""
    request = require(request, "read")
    rows = selectors.list_systems(request.organisation, search, archived=archived, figures=False)
    return _page(rows, limit, offset)


@router.post("/systems", response={201: SystemOut}, summary="Register a system")
def create_system(request: Any, body: SystemIn) -> Any:
    request = require(request, "register")
    words = body.model_dump(exclude={"name", "owner"})
    if body.owner:
        words["owner"] = _member(body.owner)
    return Status(
        201,
        services.create_system(
            request.organisation,
            body.name,
            by=request.user,
            **words,
        ),
    )


@router.get("/systems/{system_id}", response=SystemOut, summary="Get a system")
def get_system(request: Any, system_id: UUID) -> Any:
    request = require(request, "read")
    return _system(request, system_id)


@router.patch("/systems/{system_id}", response=SystemOut, summary="Change a system")
def edit_system(request: Any, system_id: UUID, body: SystemEdit) -> Any:
    request = require(request, "register")
    system = _system(request, system_id)
    words = body.model_dump(exclude_none=True, exclude={"owner", "archived"})
    if body.owner:
        words["owner"] = _member(body.owner)
    system = services.edit_system(system, by=request.user, **words)
    if body.archived is not None:
        change = services.archive_system if body.archived else services.restore_system
        system = change(system, by=request.user)
    return system


@router.get("/systems/{system_id}/models", response=Page[ModelOut], summary="List a system's models")
def list_models(request: Any, system_id: UUID, limit: Limit = 50, offset: Offset = 0) -> Any:
    request = require(request, "read")
    rows = Model.objects.of(request.organisation).filter(system=_system(request, system_id))
    return _page(rows.order_by("name"), limit, offset)


@router.post("/systems/{system_id}/models", response={201: ModelOut}, summary="Add a model")
def create_model(request: Any, system_id: UUID, body: ModelIn) -> Any:
    request = require(request, "register")
    made = services.create_model(
        _system(request, system_id),
        body.name,
        by=request.user,
        description=body.description,
    )
    return Status(201, made)


@router.get("/models/{model_id}", response=ModelOut, summary="Get a model")
def get_model(request: Any, model_id: UUID) -> Any:
    request = require(request, "read")
    return _model(request, model_id)


@router.get("/models/{model_id}/versions", response=Page[ModelVersionLine], summary="List model versions")
def list_model_versions(request: Any, model_id: UUID, limit: Limit = 50, offset: Offset = 0) -> Any:
    request = require(request, "read")
    return _page(selectors.versions_of(_model(request, model_id)), limit, offset)


@router.post("/models/{model_id}/versions", response={201: ModelVersionOut}, summary="Add a model version")
def create_model_version(request: Any, model_id: UUID, body: ModelVersionIn) -> Any:
    """From finished uploads. It is read by a job: ask again until `state` is ready, refused or failed."""
    request = require(request, "register")
    model = _model(request, model_id)
    parent, base = (
        get_object_or_404(ModelVersion.objects.of(request.organisation), pk=key) if key is not None else None
        for key in (body.parent, body.base)
    )
    version = services.add_model_version(
        model,
        _files(request, body.files),
        by=request.user,
        label=body.label,
        notes=body.notes,
        parent=parent,
        base=base,
        signature=checked_signature(body.signature) if body.signature is not None else None,
    )
    return Status(201, version)


@router.post("/models/{model_id}/predictions", response={201: ModelVersionOut}, summary="Add predictions")
def create_predictions_version(request: Any, model_id: UUID, body: PredictionsIn) -> Any:
    """A version that is columns of predictions in the test data."""
    request = require(request, "register")
    version = services.add_predictions_version(
        _model(request, model_id),
        **body.model_dump(),
        by=request.user,
    )
    return Status(201, version)


@router.post("/models/{model_id}/endpoints", response={201: ModelVersionOut}, summary="Add an endpoint")
def create_endpoint_version(request: Any, model_id: UUID, body: EndpointIn) -> Any:
    """A version that is asked over HTTP. A job asks what it is: ask again until `state` is ready.

    A language model is asked over `openai_completions`, with a signature of task `generation`, output `score`
    and `text`, and without a template; its server must echo a prompt with logprobs.
    """
    request = require(request, "register")
    version = add_endpoint_version(
        _model(request, model_id), body.endpoint, by=request.user, label=body.label, notes=body.notes
    )
    return Status(201, version)


@router.get("/model-versions/{version_id}", response=ModelVersionOut, summary="Get a model version")
def get_model_version(request: Any, version_id: UUID) -> Any:
    request = require(request, "read")
    return get_object_or_404(ModelVersion.objects.of(request.organisation), pk=version_id)


@router.get("/systems/{system_id}/datasets", response=Page[DatasetOut], summary="List a system's datasets")
def list_datasets(request: Any, system_id: UUID, limit: Limit = 50, offset: Offset = 0) -> Any:
    request = require(request, "read")
    rows = Dataset.objects.of(request.organisation).filter(system=_system(request, system_id))
    return _page(rows.order_by("name"), limit, offset)


@router.post("/systems/{system_id}/datasets", response={201: DatasetOut}, summary="Add a dataset")
def create_dataset(request: Any, system_id: UUID, body: DatasetIn) -> Any:
    request = require(request, "register")
    made = services.create_dataset(
        _system(request, system_id),
        body.name,
        by=request.user,
        description=body.description,
    )
    return Status(201, made)


@router.get("/datasets/{dataset_id}", response=DatasetOut, summary="Get a dataset")
def get_dataset(request: Any, dataset_id: UUID) -> Any:
    request = require(request, "read")
    return _dataset(request, dataset_id)


@router.get(
    "/datasets/{dataset_id}/versions", response=Page[DatasetVersionLine], summary="List dataset versions"
)
def list_dataset_versions(request: Any, dataset_id: UUID, limit: Limit = 50, offset: Offset = 0) -> Any:
    request = require(request, "read")
    return _page(selectors.versions_of(_dataset(request, dataset_id)), limit, offset)


@router.post(
    "/datasets/{dataset_id}/versions", response={201: DatasetVersionOut}, summary="Add a dataset version"
)
def create_dataset_version(request: Any, dataset_id: UUID, body: DatasetVersionIn) -> Any:
    """From finished uploads, one file a row role. It is read by a job, as a model version is."""
    request = require(request, "register")
    dataset = _dataset(request, dataset_id)
    files: dict[str, tuple[str, StoredFile]] = {}
    for role, said in body.files.items():
        ((name, stored),) = _files(request, [said]).items()
        files[role] = (name, stored)
    version = services.add_dataset_version(
        dataset,
        files,
        body.description,
        by=request.user,
        **body.model_dump(exclude={"files", "description"}),
    )
    return Status(201, version)


@router.get("/dataset-versions/{version_id}", response=DatasetVersionOut, summary="Get a dataset version")
def get_dataset_version(request: Any, version_id: UUID) -> Any:
    request = require(request, "read")
    return get_object_or_404(DatasetVersion.objects.of(request.organisation), pk=version_id)


@router.post(
    "/dataset-versions/{version_id}/read", response=DatasetVersionOut, summary="Read a dataset version again"
)
def read_dataset_version(request: Any, version_id: UUID) -> Any:
    """After the reading failed. 409 where it did not: what was refused stays refused."""
    request = require(request, "register")
    rows = DatasetVersion.objects.of(request.organisation)
    services.read_again(get_object_or_404(rows, pk=version_id), by=request.user)
    return rows.get(pk=version_id)


@router.post(
    "/dataset-versions/{version_id}/corrections",
    response={201: DatasetVersionOut},
    summary="Correct what the columns are",
)
def correct_dataset_version(request: Any, version_id: UUID, body: CorrectionIn) -> Any:
    """A new version of the same files with other words about their columns; the version itself stays."""
    request = require(request, "register")
    version = get_object_or_404(
        DatasetVersion.objects.of(request.organisation).select_related("dataset__organisation"), pk=version_id
    )
    made = services.correct_dataset_version(
        version, body.description, by=request.user, label=body.label, disjoint=body.disjoint
    )
    return Status(201, made)


@router.get(
    "/dataset-versions/{version_id}/diff/{other_id}",
    response=DatasetDiff,
    summary="Compare two dataset versions",
)
def diff_dataset_versions(request: Any, version_id: UUID, other_id: UUID) -> Any:
    """What differs from the first to the second: columns, kinds, roles, missing values, shares, means."""
    request = require(request, "read")
    rows = DatasetVersion.objects.of(request.organisation).select_related("dataset")
    before, after = (get_object_or_404(rows, pk=key) for key in (version_id, other_id))
    for each in (before, after):
        if not each.profile:
            raise BadInput(f"{each} has not been read yet; two versions are compared when both have been.")
    return diff_of(before, after, presenting.said_of(before), presenting.said_of(after))


def _page(rows: QuerySet[Any], limit: int, offset: int) -> dict[str, Any]:
    return {
        "items": list(rows[offset : offset + limit]),
        "count": rows.count(),
        "limit": limit,
        "offset": offset,
    }


def _system(request: ApiRequest, key: UUID) -> AISystem:
    found: AISystem = get_object_or_404(
        AISystem.objects.of(request.organisation).select_related("owner"), pk=key
    )
    return found


def _model(request: ApiRequest, key: UUID) -> Model:
    found: Model = get_object_or_404(Model.objects.of(request.organisation), pk=key)
    return found


def _dataset(request: ApiRequest, key: UUID) -> Dataset:
    found: Dataset = get_object_or_404(Dataset.objects.of(request.organisation), pk=key)
    return found


def _files(request: ApiRequest, said: list[FileIn]) -> Mapping[str, StoredFile]:
    """Path -> stored file of the caller's own finished uploads."""
    found: dict[str, StoredFile] = {}
    ids = [str(each.upload) for each in said]
    by_id = services.finished_uploads(request.organisation, request.user, ids)
    for each in said:
        name, stored = by_id[str(each.upload)]
        path = each.path or name
        if path in found:
            raise BadInput("Two of the files have the same path; give each its own.")
        found[path] = stored
    return found


def _member(address: str) -> User:
    found = User.objects.filter(email__iexact=address.replace("\x00", "")).first()
    if found is None:
        raise BadInput("The owner of a system is a member of the organisation; choose one.")
    return found
