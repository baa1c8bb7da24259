"""The job that fetches a model from the Hugging Face Hub; then the version is read as any other upload."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from assay.errors import BadInput, Cancelled
from assay.remote.hub import HubName, fetch, look_up
from jobs.kinds import Advance, DoneShard, FailedShard, Finished, GiveUp, NewShard, ShardContext, ShardResult
from jobs.models import Job
from models_registry import files
from models_registry.models import IntakeState, ModelVersion, StoredFile, VersionFile
from models_registry.selectors import version_names
from models_registry.versions import HUB_IMPORT, submit_reading

__all__ = ["HubImport"]


class _Session:
    """Fetches in the worker itself: a child has no way out. Nothing that comes is opened here."""

    def __init__(self, version_id: uuid.UUID) -> None:
        self._id = version_id
        self._folder: Path | None = None
        self._stopped = ""

    def run(self, spec: Mapping[str, Any], context: ShardContext) -> ShardResult:
        version = ModelVersion.unscoped.get(pk=self._id)
        if not settings.ENV.hub:
            return ShardResult({"refusal": "Models are not fetched from the Hub here (ASSAY_HUB)."})
        ModelVersion.unscoped.filter(pk=self._id, state=IntakeState.WAITING).update(state=IntakeState.READING)
        self._folder = Path(tempfile.mkdtemp(prefix="assay-hub-"))
        wish = version.hub or {}
        try:
            found = look_up(HubName(wish["repo"], wish["revision"]), most_bytes=settings.ENV.upload_bytes)
            paths = fetch(found, self._folder, progress=lambda done: self._tick(context, done))
        except BadInput as error:
            return ShardResult({"refusal": error.message})
        kept = [
            (path.name, files.keep(context.job.organisation, files.chunks_of(path), uploaded=True).sha256)
            for path in paths
        ]
        return ShardResult({"commit": found.commit, "files": kept})

    def _tick(self, context: ShardContext, done: float) -> None:
        if self._stopped:
            raise Cancelled(self._stopped)
        context.progress(done * 0.9, "fetching")

    def stop(self, why: str) -> None:
        self._stopped = why

    def close(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


class HubImport:
    """WAITING -> READING -> WAITING for its reading, or REFUSED; FAILED where the Hub was not reached."""

    name = HUB_IMPORT
    title, page = "Fetching a model from the Hub", "models_registry:model_version"

    def target_names(self, targets: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, str]:
        return version_names(ModelVersion, targets)

    def begin(self, job: Job) -> Sequence[NewShard]:
        return [NewShard({"do": "fetch"}, weight=5.0)]

    def open(self, job: Job) -> _Session:
        return _Session(job.target_id)

    def advance(
        self, job: Job, stage: int, done: Sequence[DoneShard], failed: Sequence[FailedShard]
    ) -> Advance:
        return GiveUp(failed[0].why) if failed else Finished(done[0].data)

    def on_done(self, job: Job, outcome: Any, incomplete: Sequence[str]) -> None:
        version = ModelVersion.unscoped.select_related("organisation", "created_by").get(pk=job.target_id)
        if "refusal" in outcome:
            version.state, version.refusal = IntakeState.REFUSED, str(outcome["refusal"])
            version.save(update_fields=["state", "refusal"])
            return
        stored = {
            each.sha256: each
            for each in StoredFile.objects.of(version.organisation).filter(
                sha256__in=[sha256 for _name, sha256 in outcome["files"]]
            )
        }
        VersionFile.objects.bulk_create(
            VersionFile(version=version, file=stored[sha256], path=name) for name, sha256 in outcome["files"]
        )
        version.hub = {**(version.hub or {}), "commit": outcome["commit"]}
        version.state = IntakeState.WAITING
        version.save(update_fields=["hub", "state"])
        submit_reading(version, version.created_by)

    def on_failed(self, job: Job, why: str) -> None:
        self._ended(job, why)

    def on_cancelled(self, job: Job) -> None:
        self._ended(job, "The fetching was cancelled.")

    def _ended(self, job: Job, why: str) -> None:
        ModelVersion.unscoped.filter(pk=job.target_id).update(state=IntakeState.FAILED, refusal=why)
