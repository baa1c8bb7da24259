"""Making a candidate in a supervised child, from training and tuning rows alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from assay.contracts import DataRequest, ModelRequest, Profile
from assay.errors import BadInput, ChildFailed
from assay.intake.model_files import model_files
from assay.repair import ARTEFACT, made_model
from jobs.kinds import ShardContext, ShardResult
from models_registry import files
from models_registry.child_session import ChildSession
from models_registry.description import lay_out, request_of
from models_registry.models import DatasetVersion, ModelVersion
from remediations.attempts import epochs_in, new_attempt
from remediations.models import RemedyRun, RemedyState

__all__ = ["RemedySession", "rows_to_learn_from"]

_PATIENCE = 20.0
"""How many times the estimate an attempt may take before it counts as hung."""


class RemedySession(ChildSession):
    """Runs the one shard of a remedy's job; ends with the shard."""

    def run(self, spec: Mapping[str, Any], context: ShardContext) -> ShardResult:
        """Apply the remedy, from where an earlier attempt stood; store and read what it made."""
        try:
            return self._run(context)
        finally:
            self.close()  # no other shard has this subject

    def _run(self, context: ShardContext) -> ShardResult:
        RemedyRun.unscoped.filter(pk=context.job.target_id, state=RemedyState.WAITING).update(
            state=RemedyState.RUNNING
        )
        remedy = RemedyRun.unscoped.select_related("model_version", "dataset_version").get(
            pk=context.job.target_id
        )
        request = rows_to_learn_from(self._new_folder(), remedy.model_version, remedy.dataset_version)
        attempt, reached = new_attempt(context.work)
        limit = max(settings.ENV.shard_seconds, _PATIENCE * remedy.estimate_seconds)
        supervisor = self._supervise(request, context, limit)
        supervisor.grant(attempt, "auto")
        supervisor.intake(lambda done: context.progress(done * 0.05, "reading the training rows"))
        lineage = supervisor.remedy(
            remedy.remedy,
            remedy.params,
            seed=remedy.seed,
            device="auto",
            work=attempt,
            on_progress=_Watch(context, attempt, reached),
        )
        context.progress(0.95, "storing the candidate")
        made = attempt / ARTEFACT
        sha256, found = made_model(made)
        stored = [
            (name, files.keep(context.job.organisation, files.chunks_of(path)).sha256)
            for name, path in model_files(made)
        ]
        profile = self._read_back(request, context, dict(stored))
        if profile.model is None or profile.model_signature is None or profile.model.sha256 != sha256:
            raise ChildFailed("The stored candidate is not the model that the remedy made.")
        return ShardResult(
            {
                "lineage": lineage.model_dump(mode="json"),
                "files": stored,
                "sha256": sha256,
                "format": found,
                "facts": profile.model.model_dump(mode="json"),
                "signature": profile.model_signature.model_dump(mode="json"),
                "sandbox": self._layers(),
            }
        )

    def _read_back(self, request: DataRequest, context: ShardContext, stored: Mapping[str, str]) -> Profile:
        """What a fresh child says of the stored candidate: nothing is registered that cannot be loaded."""
        assert self._folder is not None
        place = self._folder / "candidate" / "model"
        files.copy_into(
            place, {n: files.path_of(context.job.organisation_id, sha) for n, sha in stored.items()}
        )
        stored_model = request.model_copy(update={"model": ModelRequest(path=str(place))})
        supervisor = self._supervise(stored_model, context)
        return supervisor.intake(lambda done: context.progress(0.95 + done * 0.05, "reading it back"))


class _Watch:
    """Passes progress on, and notes whole epochs in the shard's checkpoint, which the page shows."""

    def __init__(self, context: ShardContext, attempt: Path, reached: tuple[int, int] | None) -> None:
        self._context, self._attempt = context, attempt
        self._began = self._noted_at = time.monotonic()
        self._known: tuple[int, int] | None = None
        if reached is not None:
            self._note(reached, 0.05)

    def __call__(self, share: float, note: str) -> None:
        done = 0.05 + share * 0.9
        self._context.progress(done, note)
        now = time.monotonic()
        # Every 2 seconds, and ever more rarely in trainings of hours: each note is a row of the history.
        if now - self._noted_at >= max(2.0, (now - self._began) / 100):
            self._noted_at = now
            reached = epochs_in(self._attempt)
            if reached is not None and reached != self._known:
                self._note(reached, done)

    def _note(self, reached: tuple[int, int], done: float) -> None:
        self._known = reached
        self._context.checkpoint({"epoch": reached[0], "epochs": reached[1], "done": round(done, 4)})


def rows_to_learn_from(folder: Path, model: ModelVersion, data: DatasetVersion) -> DataRequest:
    """Lay out what a remedy may read under `folder`, and the request for it.

    The sealed test file is neither part of the request nor put where the child could find it (one file with
    a column of roles is: there the engine passes the test rows over unread). Supplied predictions are an
    earlier model's answers, no inputs.

    Raises:
        BadInput: the data has no training rows.
    """
    lay_out(folder, model, data)
    request = request_of(folder, model, data, remedy=True) if _has_training(data) else None
    if request is None or request.training is None:
        raise BadInput(f"{data} has no training rows, and a remedy learns from them alone.")
    named = {Path(f.path) for f in (request.training, request.tuning) if f is not None}
    for path in (folder / "data").rglob("*"):
        if path.is_file() and path not in named:
            path.unlink()
    return request.model_copy(update={"predictions": None, "scores": None, "threshold": None})


def _has_training(data: DatasetVersion) -> bool:
    roles = {file.role for file in data.files.all()}
    return "training" in roles or ("test" in roles and bool(data.description.get("roles_column")))
