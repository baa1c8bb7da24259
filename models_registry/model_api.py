"""The API of one model version: its signature, how it differs from another, bytes of a refused one."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status
from pydantic import ConfigDict, Field

from accounts.api_auth import ApiRequest, require
from models_registry import services
from models_registry.model_diff import diff_models
from models_registry.models import Model, ModelVersion
from models_registry.panels import comparable_runs
from models_registry.schemas import ModelVersionOut
from models_registry.signature_changes import signature_changes
from models_registry.signature_checks import checked_signature, problems_of

__all__ = ["router"]

router = Router(tags=["registry"])


_SIGNATURE: dict[str, Any] = {
    "schema": "assay.signature/1",
    "task": "binary",
    "output": "probability",
    "classes": ["no", "yes"],
    "columns": [{"name": "income", "kind": "number", "encoding": "identity"}],
}


class SignatureIn(Schema):
    model_config = ConfigDict(json_schema_extra={"examples": [{"signature": _SIGNATURE}]})
    signature: dict[str, Any] | None = Field(
        description="A whole signature.json; null goes back to what the files say."
    )


class FieldOut(Schema):
    field: str = Field(examples=['column "income": scale'])
    before: str
    after: str


class CheckIn(Schema):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"signature": _SIGNATURE}]},
    )
    signature: dict[str, Any] = Field(description="A whole signature.json.")


class ProblemOut(Schema):
    field: str = Field(examples=["columns.2.scale"])
    words: str = Field(examples=["must be more than 0"])


class CheckOut(Schema):
    problems: list[ProblemOut] = Field(description="Empty where it can be taken.")
    changes: list[FieldOut] = Field(description="What it changes against the signature of now.")


class HubIn(Schema):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "organisation/name@main", "label": "1.0"}]}
    )
    name: str = Field(max_length=300, description="organisation/name, or organisation/name@revision.")
    label: str = Field("", max_length=60)
    notes: str = Field("", max_length=20_000)


class RemovedOut(Schema):
    gone: int = Field(examples=[2], description="Files whose bytes are deleted.")
    kept: int = Field(description="Files that stay, because something else rests on the same content.")


class FactOut(Schema):
    what: str = Field(examples=["Parameters"])
    before: str
    after: str
    same: bool


class FileDiffOut(Schema):
    path: str
    origin: Literal["uploaded", "cleaned"]
    state: Literal["same", "changed", "moved", "added", "removed"]
    before: str = Field(description="Digest; empty where the file was not there.")
    after: str
    was: str = Field(description="The path that the same content had, where it moved.")


class RunsOut(Schema):
    title: str
    url: str


class DiffOut(Schema):
    sentence: str
    relation: str
    differs: bool
    facts: list[FactOut]
    files: list[FileDiffOut]
    signature: list[FieldOut]
    runs: list[RunsOut] = Field(description="Audits of both on the same data, and the page comparing them.")


@router.put(
    "/model-versions/{version_id}/signature", response=ModelVersionOut, summary="Correct a model's signature"
)
def correct_signature(request: Any, version_id: UUID, body: SignatureIn) -> Any:
    """Has the version read again with this signature, while no data was read with it; otherwise a new version
    is made from the same files. The answer is the version that has it: ask again until it is read."""
    request = require(request, "register")
    said = checked_signature(body.signature) if body.signature is not None else None
    return services.correct_signature(_version(request, version_id), said, by=request.user)


@router.post(
    "/model-versions/{version_id}/signature/check",
    response=CheckOut,
    summary="What is wrong with a signature, or what it changes",
)
def check_signature(request: Any, version_id: UUID, body: CheckIn) -> dict[str, Any]:
    """Nothing is changed and nothing is read."""
    request = require(request, "register")
    now = _version(request, version_id).signature
    problems = problems_of(body.signature)
    changes = signature_changes(now, body.signature) if not problems else []
    return {
        "problems": [each._asdict() for each in problems],
        "changes": [each._asdict() for each in changes],
    }


@router.post(
    "/model-versions/{version_id}/read", response=ModelVersionOut, summary="Read a model version again"
)
def read_model_version(request: Any, version_id: UUID) -> Any:
    """After the reading failed. 409 where it did not: what was refused stays refused."""
    request = require(request, "register")
    services.read_again(_version(request, version_id), by=request.user)
    return _version(request, version_id)


@router.post("/models/{model_id}/hub", response={201: ModelVersionOut}, summary="Add a model of the Hub")
def create_hub_version(request: Any, model_id: UUID, body: HubIn) -> Any:
    """By its name on the Hugging Face Hub, where the operator allows it (ASSAY_HUB). A job fetches its
    safetensors, configuration and tokenizer from one commit, then it is read as any other upload."""
    request = require(request, "register")
    model = get_object_or_404(
        Model.objects.of(request.organisation).select_related("system", "organisation"), pk=model_id
    )
    made = services.add_hub_version(model, body.name, by=request.user, label=body.label, notes=body.notes)
    return Status(201, made)


@router.post(
    "/model-versions/{version_id}/delete-bytes",
    response=RemovedOut,
    summary="Delete the bytes of refused files",
)
def delete_bytes(request: Any, version_id: UUID) -> Any:
    """The refusal, its class and the digests stay."""
    request = require(request, "register")
    return services.remove_bytes(_version(request, version_id), by=request.user)._asdict()


@router.get(
    "/model-versions/{version_id}/diff/{other_id}", response=DiffOut, summary="Compare two model versions"
)
def diff(request: Any, version_id: UUID, other_id: UUID) -> Any:
    """What `other_id` changes against `version_id`: files, format, architecture, signature, gate, lineage."""
    request = require(request, "read")
    before, after = _version(request, version_id), _version(request, other_id)
    found = diff_models(before, after)
    return {
        "sentence": found.sentence,
        "relation": found.relation,
        "differs": found.differs,
        "facts": [{**each._asdict(), "same": each.same} for each in found.facts],
        "files": [each._asdict() for each in found.files],
        "signature": [each._asdict() for each in found.signature],
        "runs": [each._asdict() for each in comparable_runs(request.organisation, before.pk, after.pk)],
    }


def _version(request: ApiRequest, key: UUID) -> ModelVersion:
    found: ModelVersion = get_object_or_404(
        ModelVersion.objects.of(request.organisation).select_related(
            "model__system", "parent__model", "base__model"
        ),
        pk=key,
    )
    return found
