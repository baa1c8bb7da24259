"""The API of jobs: what runs, how far it is, and stopping it or having it tried again."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Literal

from django.shortcuts import get_object_or_404
from ninja import Field, Query, Router, Schema

from accounts.api_auth import require
from assay.errors import AssayError
from jobs import selectors, services
from jobs.models import Job
from jobs.schedule_api import router as schedules_router

router = Router(tags=["jobs"])
router.add_router("", schedules_router)

States = Literal["waiting", "running", "cancelling", "done", "incomplete", "failed", "cancelled"]


class JobOut(Schema):
    """A job and how far it is."""

    id: uuid.UUID
    kind: str = Field(examples=["audit"])
    target_id: uuid.UUID = Field(description="The row that asked for it: a run, an upload, a remedy.")
    target_name: str = Field(
        description="What that row is called; empty where it is gone.",
        examples=["Audit 27 of Loan pre-screen"],
    )
    queue: Literal["cpu", "gpu"]
    state: States = Field(examples=["running"])
    reason: str = Field(description="Why it failed or is incomplete.", examples=[""])
    progress: float = Field(ge=0, le=1, examples=[0.42])
    doing: str = Field(examples=["fairness.group_rates"])
    seconds_left: float | None = Field(
        description="Estimated; null where too little is known.", examples=[12.5]
    )
    shards: int = Field(examples=[12])
    shards_done: int = Field(examples=[5])
    shards_failed: int = Field(examples=[0])
    attempts: int = Field(description="Attempts at the shard begun most often.", examples=[1])
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class JobList(Schema):
    """A page of jobs, newest first."""

    items: list[JobOut]
    count: int = Field(examples=[1])


class JobFilter(Schema):
    """Which jobs, and which of them."""

    state: States | Literal["open", "trouble"] | None = None
    limit: int = Field(50, ge=1, le=100)
    offset: int = Field(0, ge=0, le=2**31 - 1)


@router.get("/jobs", response=JobList, summary="List jobs")
def list_jobs(request: Any, chosen: Query[JobFilter]) -> dict[str, Any]:
    """The organisation's jobs, newest first."""
    request = require(request, "read")
    found = selectors.jobs_of(request.organisation, chosen.state or "")
    rows = selectors.job_rows(found[chosen.offset : chosen.offset + chosen.limit])
    return {"items": [_out(row) for row in rows], "count": found.count()}


@router.get("/jobs/{pk}", response=JobOut, summary="One job, with its progress")
def get_job(request: Any, pk: uuid.UUID) -> dict[str, Any]:
    """For polling: `state` is final once `ended_at` is set."""
    request = require(request, "read")
    return _shown(_job(request, pk))


@router.post("/jobs/{pk}/cancel", response=JobOut, summary="Cancel a job")
def cancel_job(request: Any, pk: uuid.UUID) -> dict[str, Any]:
    """What nobody works on ends at once, the rest within seconds. 409 when it had ended already."""
    request = require(request, "operate")
    found = _job(request, pk)
    if not services.cancel(found, by=request.user):
        raise AssayError("The job has ended already.", code="conflict")
    return _shown(_job(request, pk))


@router.post("/jobs/{pk}/retry", response=JobOut, summary="Have a failed or incomplete job tried again")
def retry_job(request: Any, pk: uuid.UUID) -> dict[str, Any]:
    """What is done stays done. 409 while it runs; 400 where its kind does not allow it."""
    request = require(request, "operate")
    services.retry(_job(request, pk), by=request.user)
    return _shown(_job(request, pk))


def _job(request: Any, pk: uuid.UUID) -> Job:
    found: Job = get_object_or_404(Job.objects.of(request.organisation), pk=pk)
    return found


def _shown(job: Job) -> dict[str, Any]:
    [row] = selectors.job_rows([job])
    return _out(row)


def _out(row: selectors.JobRow) -> dict[str, Any]:
    job, far = row.job, row.progress
    return {
        **{
            name: getattr(job, name)
            for name in ("id", "kind", "target_id", "queue", "state", "reason", "submitted_at")
        },
        "target_name": row.name,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "progress": far.done,
        "doing": far.doing,
        "seconds_left": far.seconds_left,
        "shards": far.shards,
        "shards_done": far.shards_done,
        "shards_failed": far.shards_failed,
        "attempts": row.attempts,
    }
