"""Reading a version by itself: a model without data, data without a model, in the sandboxed child."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings

from assay.contracts import DataReport, GateVerdict, ModelReport
from assay.datasets.values import visible
from assay.errors import AssayError, BadInput, Cancelled, ChildFailed, Internal
from assay.intake.model_files import model_files
from jobs.kinds import Advance, DoneShard, FailedShard, Finished, GiveUp, NewShard, ShardContext, ShardResult
from jobs.models import Job
from models_registry import files
from models_registry.child_session import ChildSession
from models_registry.description import (
    CLEANED,
    cleaned_name,
    data_request,
    lay_out_data,
    lay_out_model,
    model_request,
)
from models_registry.endpoints import asker_of
from models_registry.files import chunks_of
from models_registry.models import DatasetVersion, IntakeState, ModelVersion, StoredFile, VersionFile
from models_registry.page_words import page_words
from models_registry.selectors import version_names
from models_registry.signals import version_changed
from models_registry.versions import DATASET_INTAKE, MODEL_INTAKE

__all__ = ["DatasetIntake", "ModelIntake"]

Version = type[ModelVersion] | type[DatasetVersion]


class _Session(ChildSession, ABC):
    """One child that reads one version. Wrong content is the job's result, not its failure."""

    version: ClassVar[Version]

    def __init__(self, version_id: uuid.UUID) -> None:
        super().__init__()
        self._id = version_id

    def run(self, spec: Mapping[str, Any], context: ShardContext) -> ShardResult:
        self.version.unscoped.filter(pk=self._id, state=IntakeState.WAITING).update(state=IntakeState.READING)
        folder = self._new_folder()
        try:
            report = self._read(folder, context).model_dump(mode="json")
        except (ChildFailed, Internal, Cancelled):
            raise
        except AssayError as error:
            gate = dict(error.gate) if isinstance(error, BadInput) and error.gate is not None else None
            refusal = page_words(visible(error.message))
            return ShardResult({"refusal": refusal, "gate": gate, "sandbox": self._layers()})
        return ShardResult({"report": report, "sandbox": self._layers(), **self._more(folder, context)})

    def _more(self, folder: Path, context: ShardContext) -> dict[str, Any]:
        """What else of the reading is kept."""
        return {}

    @abstractmethod
    def _read(self, folder: Path, context: ShardContext) -> ModelReport | DataReport:
        """What the child says of the version, whose files go below `folder`."""


class _ModelSession(_Session):
    version = ModelVersion
    _cleaned: Path | None = None

    def _read(self, folder: Path, context: ShardContext) -> ModelReport:
        found = ModelVersion.unscoped.select_related("organisation").get(pk=self._id)
        lay_out_model(folder, found)
        request = model_request(folder, found, "cpu")
        if request.endpoint is not None:
            return self._supervise(None, context, asker=asker_of(found, context)).describe_model(request)
        limit = settings.ENV.model_seconds
        if request.gate is not None:
            return self._supervise(None, context, limit).describe_model(request)
        self._cleaned = folder / CLEANED / cleaned_name(list(found.members.all()))
        self._cleaned.mkdir(parents=True)
        return self._supervise(None, context, limit).describe_model(request, self._cleaned)

    def _more(self, folder: Path, context: ShardContext) -> dict[str, Any]:
        """Names and digests of what cleaning wrote, stored."""
        if self._cleaned is None:
            return {}
        return {
            "cleaned": [
                (name, files.keep(context.job.organisation, chunks_of(path)).sha256)
                for name, path in model_files(self._cleaned)
            ]
        }


class _DatasetSession(_Session):
    version = DatasetVersion

    def _read(self, folder: Path, context: ShardContext) -> DataReport:
        found = DatasetVersion.unscoped.get(pk=self._id)
        lay_out_data(folder, found)
        return self._supervise(data_request(folder, found), context).describe_data(
            lambda done: context.progress(done, "reading")
        )


class _Intake(ABC):
    """WAITING -> READING -> READY, or REFUSED with the reason; FAILED where no answer could be had."""

    name: str
    version: ClassVar[Version]
    session: ClassVar[type[_Session]]

    def target_names(self, targets: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, str]:
        return version_names(self.version, targets)

    def begin(self, job: Job) -> Sequence[NewShard]:
        return [NewShard({"do": "read"}, weight=5.0)]

    def open(self, job: Job) -> _Session:
        return self.session(job.target_id)

    def advance(
        self, job: Job, stage: int, done: Sequence[DoneShard], failed: Sequence[FailedShard]
    ) -> Advance:
        return GiveUp(failed[0].why) if failed else Finished(done[0].data)

    def on_done(self, job: Job, outcome: Any, incomplete: Sequence[str]) -> None:
        version = self.version.unscoped.get(pk=job.target_id)
        version.sandbox = outcome["sandbox"]
        if "refusal" in outcome:
            version.state, version.refusal = IntakeState.REFUSED, str(outcome["refusal"])
        else:
            self.store(version, outcome)
            version.state, version.refusal = IntakeState.READY, ""
        version.save()
        if version.state == IntakeState.READY:
            version_changed.send(self.version, version=version)

    def on_failed(self, job: Job, why: str) -> None:
        self._ended(job, why)

    def on_cancelled(self, job: Job) -> None:
        self._ended(job, "The reading was cancelled.")

    @abstractmethod
    def store(self, version: Any, outcome: Mapping[str, Any]) -> None:
        """Put what was read into the version's fields."""

    def _ended(self, job: Job, why: str) -> None:
        self.version.unscoped.filter(pk=job.target_id).update(state=IntakeState.FAILED, refusal=why)


class ModelIntake(_Intake):
    """What a model version is: format, facts, signature."""

    name = MODEL_INTAKE
    title, page = "Reading a model", "models_registry:model_version"
    version = ModelVersion
    session = _ModelSession

    def store(self, version: Any, outcome: Mapping[str, Any]) -> None:
        found = ModelReport.model_validate(outcome["report"])
        version.format, version.sha256 = found.facts.format, found.facts.sha256
        version.facts = found.facts.model_dump(mode="json")
        version.gate = version.facts["gate"]
        version.signature = found.signature.model_dump(mode="json")
        version.remarks = list(found.notes)
        if found.claims is not None:
            version.claims = found.claims.model_dump(mode="json")
        if cleaned := outcome.get("cleaned"):
            keep_cleaned(version, cleaned)

    def on_done(self, job: Job, outcome: Any, incomplete: Sequence[str]) -> None:
        if (gate := outcome.get("gate")) is not None:  # of a refusal; another one stands in the report
            said = GateVerdict.model_validate(gate).model_dump(mode="json")
            ModelVersion.unscoped.filter(pk=job.target_id).update(gate=said)
        super().on_done(job, outcome, incomplete)


class DatasetIntake(_Intake):
    """What a dataset version's columns hold."""

    name = DATASET_INTAKE
    title, page = "Reading data", "models_registry:dataset_version"
    version = DatasetVersion
    session = _DatasetSession

    def store(self, version: Any, outcome: Mapping[str, Any]) -> None:
        version.profile = DataReport.model_validate(outcome["report"]).model_dump(mode="json")


def keep_cleaned(version: ModelVersion, cleaned: Sequence[Sequence[str]]) -> None:
    """Name what cleaning wrote beside what was uploaded; (path, digest) of stored files."""
    digests = [sha256 for _path, sha256 in cleaned]
    stored = {
        each.sha256: each
        for each in StoredFile.objects.of(version.organisation_id).filter(sha256__in=digests)
    }
    version.members.filter(origin=VersionFile.Origin.CLEANED).delete()
    VersionFile.objects.bulk_create(
        VersionFile(version=version, file=stored[sha256], path=path, origin=VersionFile.Origin.CLEANED)
        for path, sha256 in cleaned
    )
