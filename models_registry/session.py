"""An open subject: one supervised child that has loaded a model version and a dataset version.

It serves successive shards of the same subject: the first reading, an audit's methods, the naming of rows.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from assay.contracts import Profile, ShardSpec
from assay.endpoints.asker import Asker
from assay.errors import ChildFailed
from assay.evidence import digest
from assay.runner.supervisor import Supervisor
from jobs.kinds import ShardContext, ShardResult
from models_registry import files
from models_registry.child_session import ChildSession
from models_registry.description import lay_out, request_of
from models_registry.endpoints import asker_of, counts_of
from models_registry.models import ModelVersion, Subject

__all__ = ["SubjectSession", "queue_of", "subject_key"]


def subject_key(subject: Subject) -> str:
    return f"subject:{subject.pk}"


def queue_of(model: ModelVersion) -> str:
    """Where work on a model waits: supplied predictions need no device."""
    predicted = model.source == ModelVersion.Source.PREDICTIONS
    return "cpu" if predicted else str(settings.ENV.model_queue)


class SubjectSession(ChildSession):
    """Runs `{"do": "read" | "rows" | "shard", ...}` specs on one subject; loads it at the first."""

    def __init__(self, subject_id: uuid.UUID) -> None:
        super().__init__()
        self._subject_id = subject_id
        self._profile: Profile | None = None
        self._asker: Asker | None = None
        self._job: uuid.UUID | None = None
        """What the asker counts for."""
        self._key = ""
        """Tells what one loading asked for one job from what others did."""

    def run(self, spec: Mapping[str, Any], context: ShardContext) -> ShardResult:
        if spec["do"] == "read":
            return self._read(context)
        if spec["do"] == "rows":
            return self._rows(context)
        supervisor, _profile = self._loaded(context, spec["profile_sha256"])
        shard = ShardSpec.model_validate(spec["shard"])
        partial = supervisor.run(
            shard, spec["params"], spec["seed"], lambda done: context.progress(done, shard.method)
        )
        return ShardResult({"data": partial.data, **self._asked()}, partial.arrays)

    def close(self) -> None:
        super().close()
        self._profile = None

    def _read(self, context: ShardContext) -> ShardResult:
        """Profile, digest of the rows' content, and how fast the model answers."""
        supervisor, profile = self._loaded(context)
        try:
            rows = supervisor.rows(profile)
        except ChildFailed:
            rows = None
        return ShardResult(
            {
                "profile": profile.model_dump(mode="json"),
                "rows_sha256": profile.asked.sha256 if rows is None else rows.asked_sha256,
                "rows_per_second": supervisor.rows_per_second,
                "sandbox": supervisor.sandbox.model_dump(mode="json"),
                **self._asked(),
            }
        )

    def _rows(self, context: ShardContext) -> ShardResult:
        """Keep the row-level results in the organisation's annex; the shard's result is the reference."""
        supervisor, profile = self._loaded(context)
        rows = supervisor.rows(profile)
        if rows is None:
            layers = supervisor.sandbox.model_dump(mode="json")
            return ShardResult({"annex": None, "sandbox": layers, **self._asked()})
        reference = files.annex(context.job.organisation_id).put(rows)
        return ShardResult(
            {
                "annex": reference.model_dump(mode="json"),
                "sandbox": supervisor.sandbox.model_dump(mode="json"),
                **self._asked(),
            }
        )

    def _asked(self) -> dict[str, Any]:
        """What this session has asked of an endpoint so far, its canary rows asked once more."""
        found = self._supervisor.endpoint() if self._supervisor is not None else None
        if found is None:
            return {}
        return {"endpoint": {"session": self._key, "record": found.model_dump(mode="json")}}

    def _loaded(self, context: ShardContext, expected: str | None = None) -> tuple[Supervisor, Profile]:
        """Start the child and let it read, unless it has.

        Raises:
            ChildFailed: what was read is not what the plan was made from.
        """
        if self._supervisor is None or self._profile is None:
            subject = Subject.unscoped.select_related("model_version__organisation", "dataset_version").get(
                pk=self._subject_id
            )
            folder = self._new_folder()
            lay_out(folder, subject.model_version, subject.dataset_version)
            request = request_of(folder, subject.model_version, subject.dataset_version)
            self._asker = asker_of(subject.model_version, context, self._subject_id)
            supervisor = self._supervise(request, context, asker=self._asker)
            self._job, self._key = context.job.pk, uuid.uuid4().hex
            self._profile = supervisor.intake(lambda done: context.progress(done * 0.5, "reading"))
        elif self._asker is not None and self._job != context.job.pk:
            self._asker.start_anew(counts_of(context))
            self._job, self._key = context.job.pk, uuid.uuid4().hex
        assert self._supervisor is not None
        assert self._profile is not None
        if expected is not None and digest(self._profile) != expected:
            raise ChildFailed("The subject was read differently from when the plan was made.")
        return self._supervisor, self._profile
