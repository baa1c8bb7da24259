"""What the registry's API takes and answers, with an example of each."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field

from assay.contracts import EndpointRequest
from models_registry.description import DataDescription

__all__ = [
    "CorrectionIn",
    "DatasetIn",
    "DatasetOut",
    "DatasetVersionIn",
    "DatasetVersionLine",
    "DatasetVersionOut",
    "EndpointIn",
    "FileIn",
    "FileRole",
    "FinishIn",
    "ModelIn",
    "ModelOut",
    "ModelVersionIn",
    "ModelVersionLine",
    "ModelVersionOut",
    "Page",
    "PredictionsIn",
    "Sha256",
    "StoredOut",
    "SystemEdit",
    "SystemIn",
    "SystemOut",
    "UploadIn",
    "UploadOut",
    "example",
]

T = TypeVar("T")
Id = Annotated[UUID, Field(examples=["6f0c3a52-6f0e-4c53-9e9f-2b8f3c1f0d11"])]
Name = Annotated[str, Field(min_length=1, max_length=120)]
Words = Annotated[str, Field(max_length=20_000)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]
ActRole = Literal["provider", "deployer", "importer", "distributor", "none"]
RiskClass = Literal["unassessed", "minimal", "limited", "high", "prohibited"]
FileRole = Literal["test", "training", "tuning", "asked", "attributes", "predictions"]
State = Literal["waiting", "reading", "ready", "refused", "failed"]


def example(**values: Any) -> ConfigDict:
    """No other fields than these, and what a body looks like."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [values]})


class Page(Schema, Generic[T]):
    """Some of a list: `count` is how many there are in all."""

    items: list[T]
    count: int
    limit: int
    offset: int


class SystemIn(Schema):
    model_config = example(
        name="Loan pre-screen",
        purpose="Shortlists loan applications for a clerk.",
        affected_people="Applicants for consumer loans.",
        hazards="Qualified applicants are not seen by anybody.",
        act_role="deployer",
        risk_class="high",
    )
    name: Name
    purpose: Words = ""
    owner: str | None = Field(None, max_length=254, description="E-mail address of a member; you by default.")
    affected_people: Words = ""
    hazards: Words = ""
    act_role: ActRole = "provider"
    risk_class: RiskClass = "unassessed"


class SystemEdit(Schema):
    """What is left out stays as it is."""

    model_config = example(risk_class="high")
    name: Name | None = None
    purpose: Words | None = None
    owner: str | None = Field(None, max_length=254)
    affected_people: Words | None = None
    hazards: Words | None = None
    act_role: ActRole | None = None
    risk_class: RiskClass | None = None
    archived: bool | None = None


class SystemOut(Schema):
    id: Id
    number: int = Field(examples=[12])
    name: str = Field(examples=["Loan pre-screen"])
    purpose: str
    owner: str = Field(examples=["Ada Owner"])
    affected_people: str
    hazards: str
    act_role: ActRole
    risk_class: RiskClass
    archived: bool
    created_at: datetime

    @staticmethod
    def resolve_owner(row: Any) -> str:
        return str(row.owner)

    @staticmethod
    def resolve_archived(row: Any) -> bool:
        return row.archived_at is not None


class ModelIn(Schema):
    model_config = example(name="scorer", description="Gradient-boosted trees on 14 columns.")
    name: Name
    description: Words = ""


class DatasetIn(Schema):
    model_config = example(name="loans", description="Applications of 2024, drawn at random.")
    name: Name
    description: Words = ""


class ModelOut(Schema):
    id: Id
    system: Id = Field(alias="system_id")
    name: str = Field(examples=["scorer"])
    description: str
    created_at: datetime


class DatasetOut(Schema):
    id: Id
    system: Id = Field(alias="system_id")
    name: str = Field(examples=["loans"])
    description: str
    created_at: datetime


class UploadIn(Schema):
    model_config = example(name="model.safetensors", size=48_213)
    name: str = Field(min_length=1, max_length=255, description="Relative path within what is uploaded.")
    size: int = Field(ge=0, le=2**53, description="Bytes.")


class UploadOut(Schema):
    id: Id
    name: str = Field(examples=["model.safetensors"])
    size: int = Field(examples=[48_213])
    received: int = Field(examples=[8_192], description="Bytes that are there; the next chunk begins here.")
    finished: bool
    sha256: str | None = Field(None, description="Of the stored file, once finished.")

    @staticmethod
    def resolve_finished(row: Any) -> bool:
        return row.file_id is not None

    @staticmethod
    def resolve_sha256(row: Any) -> str | None:
        return row.file.sha256 if row.file_id is not None else None


class StoredOut(Schema):
    upload: Id
    sha256: str = Field(examples=["9f" * 32])
    size: int = Field(examples=[48_213])


class FinishIn(Schema):
    model_config = example(sha256="9f" * 32)
    sha256: Sha256 | None = None


class FileIn(Schema):
    model_config = example(upload="6f0c3a52-6f0e-4c53-9e9f-2b8f3c1f0d11", path="model.safetensors")
    upload: UUID = Field(description="A finished upload of yours.")
    path: str | None = Field(None, max_length=255, description="The upload's own name by default.")


class ModelVersionIn(Schema):
    model_config = example(
        label="3.1",
        notes="Retrained on the data of March.",
        files=[
            {"upload": "6f0c3a52-6f0e-4c53-9e9f-2b8f3c1f0d11", "path": "model.safetensors"},
            {"upload": "0d2f2c1e-93a1-4a63-8a39-5d4f5d0b1c22", "path": "signature.json"},
            {"upload": "b7b4f7ad-1c53-4f0f-a9de-3a6d7f8e9a33", "path": "architecture.json"},
        ],
    )
    files: list[FileIn] = Field(min_length=1, max_length=1_000)
    label: str = Field("", max_length=60)
    notes: Words = ""
    parent: UUID | None = Field(None, description="The version that it was made from.")
    base: UUID | None = Field(
        None, description="For an adapter: the ready version of the whole model that it changes."
    )
    signature: dict[str, Any] | None = Field(
        None, description="A signature.json in place of what the files say of themselves."
    )


class PredictionsIn(Schema):
    model_config = example(label="2025-03", predictions="approved", scores="score")
    predictions: str = Field("", max_length=200, description="Column of predicted classes in the test data.")
    scores: str = Field("", max_length=200, description="Column of scores.")
    threshold: float | None = Field(None, allow_inf_nan=False, ge=-1e9, le=1e9)
    label: str = Field("", max_length=60)
    notes: Words = ""


class EndpointIn(Schema):
    model_config = example(
        label="2025-03",
        endpoint={
            "url": "https://models.example.org",
            "protocol": "open_inference_v2",
            "model": "loans",
            "key": "LOANS_KEY",
            "signature": {
                "task": "binary",
                "output": "probability",
                "classes": ["no", "yes"],
                "columns": [{"name": "income", "kind": "number", "encoding": "identity"}],
            },
            "limits": {"most_requests": 20_000, "requests_per_second": 20},
        },
    )
    endpoint: EndpointRequest
    label: str = Field("", max_length=60)
    notes: Words = ""


class FileOut(Schema):
    path: str = Field(examples=["model.safetensors"])
    sha256: str
    size: int
    origin: Literal["uploaded", "cleaned"] = Field(description="What cleaning wrote is what is loaded.")
    deleted: bool = Field(description="Whether the bytes of a refused file were deleted.")

    @staticmethod
    def resolve_sha256(row: Any) -> str:
        return str(row.file.sha256)

    @staticmethod
    def resolve_size(row: Any) -> int:
        return int(row.file.size)

    @staticmethod
    def resolve_deleted(row: Any) -> bool:
        return row.file.removed_at is not None


class CorrectionOut(Schema):
    at: datetime
    by: str = Field(examples=["Ada Owner"])
    before: dict[str, Any] | None
    after: dict[str, Any] | None = Field(description="None: back to what the files say.")

    @staticmethod
    def resolve_by(row: Any) -> str:
        return str(row.by)


class ModelVersionLine(Schema):
    id: Id
    model: Id = Field(alias="model_id")
    number: int
    label: str = Field(examples=["3.1"])
    source: Literal["artefact", "predictions", "endpoint"]
    state: State
    refusal: str = Field(description="Why it was refused or could not be read.")
    stage: Literal["candidate", "approved", "deployed", "retired"]
    format: str = Field(examples=["torch_folder"])
    sha256: str
    parent: UUID | None = Field(None, alias="parent_id")
    base: UUID | None = Field(None, alias="base_id", description="Of an adapter.")
    created_at: datetime


class ModelVersionOut(ModelVersionLine):
    predictions: str
    scores: str
    threshold: float | None
    endpoint: dict[str, Any] | None = Field(description="Address, protocol, limits; a key only by its name.")
    swapped: str = Field(description="How it was noticed that another model answers at the address.")
    facts: dict[str, Any] | None
    signature: dict[str, Any] | None
    said_signature: dict[str, Any] | None = Field(description="The signature that people gave.")
    gate: dict[str, Any] | None = Field(
        description="The gate's verdict: trust (A, B or C), came_as, sha256, cleaning, findings."
    )
    claims: dict[str, Any] | None = Field(description="What a model card or MLmodel beside it claims.")
    hub: dict[str, Any] | None = Field(description="Its name on the Hugging Face Hub, and the commit.")
    sandbox: dict[str, Any] | None
    remarks: list[str]
    lineage: dict[str, Any] | None
    notes: str
    files: list[FileOut]
    corrections: list[CorrectionOut]

    @staticmethod
    def resolve_corrections(row: Any) -> list[Any]:
        return list(row.corrections.select_related("by")[:100])

    @staticmethod
    def resolve_files(row: Any) -> list[Any]:
        return list(row.members.select_related("file").order_by("-origin", "path"))


class DatasetVersionIn(Schema):
    model_config = example(
        label="2024",
        files={"test": {"upload": "6f0c3a52-6f0e-4c53-9e9f-2b8f3c1f0d11"}},
        description={"label": "repaid", "sensitive": ["sex"], "favourable": "yes"},
        origin="Core banking, applications of 2024",
        disjoint=True,
    )
    files: dict[FileRole, FileIn] = Field(min_length=1)
    description: DataDescription = DataDescription()
    label: str = Field("", max_length=60)
    origin: Words = ""
    licence: str = Field("", max_length=200)
    consent_basis: Words = ""
    period: str = Field("", max_length=200)
    disjoint: bool = Field(False, description="You attest: no test row was used to train or choose a model.")


class CorrectionIn(Schema):
    model_config = example(
        description={"label": "repaid", "sensitive": ["sex"], "kinds": {"postcode": "category"}}
    )
    description: DataDescription
    label: str = Field("", max_length=60)
    disjoint: bool = Field(False, description="You attest: no test row was used to train or choose a model.")


class DatasetFileOut(Schema):
    role: str = Field(examples=["test"])
    name: str = Field(examples=["loans.csv"])
    sha256: str
    size: int

    @staticmethod
    def resolve_sha256(row: Any) -> str:
        return str(row.file.sha256)

    @staticmethod
    def resolve_size(row: Any) -> int:
        return int(row.file.size)


class DatasetVersionLine(Schema):
    id: Id
    dataset: Id = Field(alias="dataset_id")
    number: int
    label: str = Field(examples=["2024"])
    state: State
    refusal: str
    sha256: str
    disjoint: bool
    created_at: datetime


class DatasetVersionOut(DatasetVersionLine):
    description: dict[str, Any]
    origin: str
    licence: str
    consent_basis: str
    period: str
    profile: dict[str, Any] | None
    sandbox: dict[str, Any] | None
    files: list[DatasetFileOut]

    @staticmethod
    def resolve_files(row: Any) -> list[Any]:
        return list(row.files.select_related("file").order_by("role"))
