"""The job kind that reads a subject for the first time: model and data together, in the child."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from assay.contracts import EndpointRecord, Profile
from assay.evidence import digest
from jobs.kinds import Advance, DoneShard, FailedShard, Finished, GiveUp, NewShard
from jobs.models import Job
from models_registry.endpoints import note_swap
from models_registry.models import IntakeState, Subject
from models_registry.page_words import page_words
from models_registry.session import SubjectSession
from models_registry.signals import subject_read

__all__ = ["SubjectKind"]


class SubjectKind:
    """Fills in a Subject's profile."""

    name = "subject"
    title, page = "Reading model and data together", ""

    def target_names(self, targets: Sequence[UUID]) -> Mapping[UUID, str]:
        rows = Subject.unscoped.filter(pk__in=targets).select_related(
            "model_version__model", "dataset_version__dataset"
        )
        versions = ("model_version", "dataset_version")
        light = rows.only(
            *(f"{version}__{field}" for version in versions for field in ("number", "label")),
            *("model_version__model__name", "dataset_version__dataset__name"),
        )
        return {subject.pk: str(subject) for subject in light}

    def begin(self, job: Job) -> Sequence[NewShard]:
        return [NewShard({"do": "read"}, weight=5.0)]

    def open(self, job: Job) -> SubjectSession:
        return SubjectSession(job.target_id)

    def advance(
        self, job: Job, stage: int, done: Sequence[DoneShard], failed: Sequence[FailedShard]
    ) -> Advance:
        return GiveUp(failed[0].why) if failed else Finished(done[0].data)

    def on_done(self, job: Job, outcome: Any, incomplete: Sequence[str]) -> None:
        profile = Profile.model_validate(outcome["profile"])
        subject = Subject.unscoped.get(pk=job.target_id)
        subject.state, subject.refusal = IntakeState.READY, ""
        subject.profile = profile.model_dump(mode="json")
        subject.profile_sha256 = digest(profile)
        subject.rows_sha256 = outcome["rows_sha256"]
        subject.rows_per_second = outcome["rows_per_second"]
        subject.save()
        if (asked := outcome.get("endpoint")) is not None:
            note_swap(subject.model_version, EndpointRecord.model_validate(asked["record"]))
        subject_read.send(Subject, subject=subject)

    def on_failed(self, job: Job, why: str) -> None:
        self._ended(job, IntakeState.REFUSED, page_words(why))

    def on_cancelled(self, job: Job) -> None:
        self._ended(job, IntakeState.FAILED, "The reading was cancelled.")

    def _ended(self, job: Job, state: IntakeState, why: str) -> None:
        subject = Subject.unscoped.get(pk=job.target_id)
        subject.state, subject.refusal = state, why
        subject.save()
        subject_read.send(Subject, subject=subject)
