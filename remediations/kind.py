"""The job kind that makes a candidate: one shard, whose trained epochs outlive child and worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils import timezone

from jobs.kinds import Advance, DoneShard, FailedShard, Finished, GiveUp, NewShard
from jobs.models import Job
from remediations.candidates import register_candidate
from remediations.models import RemedyRun, RemedyState
from remediations.session import RemedySession
from trail.services import record

__all__ = ["RemedyKind"]


class RemedyKind:
    """Makes a RemedyRun's candidate; its audit is drafted in the transaction that ends the job."""

    name = "remedy"
    title, page = "Repair", "remediations:remedy"

    def target_names(self, targets: Sequence[UUID]) -> Mapping[UUID, str]:
        rows = RemedyRun.unscoped.filter(pk__in=targets).select_related("model_version__model")
        light = rows.only(
            "number", "model_version__number", "model_version__label", "model_version__model__name"
        )
        return {remedy.pk: f"{remedy} of {remedy.model_version}" for remedy in light}

    def begin(self, job: Job) -> Sequence[NewShard]:
        remedy = RemedyRun.unscoped.get(pk=job.target_id)
        return [NewShard({"do": "remedy"}, weight=max(remedy.estimate_seconds, 1.0))]

    def open(self, job: Job) -> RemedySession:
        return RemedySession()

    def advance(
        self, job: Job, stage: int, done: Sequence[DoneShard], failed: Sequence[FailedShard]
    ) -> Advance:
        return GiveUp(failed[0].why) if failed else Finished(dict(done[0].data))

    def on_done(self, job: Job, outcome: Any, incomplete: Sequence[str]) -> None:
        remedy = RemedyRun.unscoped.select_for_update().get(pk=job.target_id)
        register_candidate(remedy, outcome)

    def on_failed(self, job: Job, why: str) -> None:
        self._ended(job, RemedyState.FAILED, why)

    def on_cancelled(self, job: Job) -> None:
        self._ended(job, RemedyState.CANCELLED, "")

    def _ended(self, job: Job, state: RemedyState, why: str) -> None:
        remedy = RemedyRun.unscoped.select_for_update().get(pk=job.target_id)
        remedy.state, remedy.reason, remedy.ended_at = state, why, timezone.now()
        remedy.save()
        record(remedy.organisation_id, f"remedy.{state.value}", "remedy", remedy.pk)
