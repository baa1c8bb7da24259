"""How far runs are, from the rows of their shards, with a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.utils import timezone

from assay.contracts import PILLAR_TITLES
from assay.registry import METHODS
from audits.models import Run, RunState
from audits.wording import rough, seconds_in_words
from jobs.models import Job, JobState, Shard, ShardState
from models_registry.models import IntakeState

__all__ = ["MethodProgress", "Progress", "is_being_read", "progress_of", "reading_of"]


class MethodProgress(NamedTuple):
    """One line of the running page."""

    title: str
    pillar: str
    state: str
    """`waiting`, `running`, `done`, `failed`."""
    percent: int
    pieces: int
    done: int
    why: str


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    percent: int
    sentence: str
    elapsed: int
    """Seconds, rounded so that they do not change with every look."""
    left: int | None
    """Seconds still to go, roughly; None while nobody can know."""
    methods: tuple[MethodProgress, ...]
    started_at: datetime | None
    cancelling: bool = False

    @property
    def elapsed_words(self) -> str:
        return seconds_in_words(self.elapsed)

    @property
    def left_words(self) -> str:
        return seconds_in_words(self.left or 0)


_READING = 4.0
"""Seconds that starting a child and reading take, before the first shard answers."""


def progress_of(run: Run) -> Progress:
    """How far a started run is, from its shards (2 queries)."""
    plan = run.plan or {}
    job = Job.unscoped.filter(pk=run.job_id).first() if run.job_id else None
    rows = (
        list(
            Shard.objects.filter(job=job)
            .order_by("id")
            .values_list("purpose", "state", "weight", "progress", "error", "spec")
        )
        if job is not None
        else []
    )
    of_method: dict[str, list[Any]] = defaultdict(list)
    preparing, merging = [], False
    for row in rows:
        if row[0] == "advance":
            merging = True
        elif row[5]["do"] == "shard":
            of_method[row[5]["shard"]["method"]].append(row)
        else:
            preparing.append(row)
    lines = tuple(_method_progress(m["id"], of_method.get(m["id"], [])) for m in plan.get("methods", ()))
    work = [row for row in rows if row[0] == "work"]
    total = sum(row[2] for row in work) + _READING
    done = sum(row[2] * _share(row) for row in work)
    begun = any(row[1] != ShardState.READY for row in work)
    share = min(done / total if total else 0.0, 0.98)
    now = timezone.now()
    elapsed = (now - run.started_at).total_seconds() if run.started_at else 0.0
    working = (now - job.started_at).total_seconds() if job is not None and job.started_at else 0.0
    expected = _READING + sum(m["estimate"]["seconds"] for m in plan.get("methods", ()))
    left = working / share * (1 - share) if share > 0.1 else max(expected - working, 1.0)
    return Progress(
        percent=round(100 * share),
        sentence=_doing(job, lines, preparing, begun, merging and share > 0.5),
        elapsed=rough(max(elapsed, 0.0)),
        left=rough(left) if begun and any(row[1] == ShardState.LEASED for row in rows) else None,
        methods=lines,
        started_at=run.started_at,
        cancelling=job is not None and job.state == JobState.CANCELLING,
    )


def reading_of(run: Run) -> Progress:
    """How far the reading of a draft's model and data is (1 query)."""
    subject = run.subject
    row = (
        Shard.objects.filter(job=subject.job_id, purpose="work").values_list("state", "progress").first()
        if subject.job_id
        else None
    )
    begun = row is not None and row[0] != ShardState.READY
    sentence = (
        "Model and data are being read together, in the sandbox."
        if begun
        else "Waiting for a free worker to read model and data."
    )
    elapsed = (timezone.now() - run.created_at).total_seconds()
    percent = round(100 * min(float(row[1]), 0.95)) if row is not None else 0
    return Progress(percent, sentence, rough(max(elapsed, 0.0)), None, (), run.created_at)


def is_being_read(run: Run) -> bool:
    return run.state == RunState.DRAFT and run.subject.state in (IntakeState.WAITING, IntakeState.READING)


def _share(row: Any) -> float:
    if row[1] in (ShardState.DONE, ShardState.FAILED, ShardState.CANCELLED):
        return 1.0
    return min(float(row[3]), 0.99) if row[1] == ShardState.LEASED else 0.0


def _method_progress(method_id: str, rows: list[Any]) -> MethodProgress:
    spec = METHODS.get(method_id).spec if method_id in set(METHODS) else None
    states = [row[1] for row in rows]
    why = next((row[4] for row in rows if row[1] == ShardState.FAILED), "")
    ended = sum(s in (ShardState.DONE, ShardState.FAILED, ShardState.CANCELLED) for s in states)
    if why or ShardState.FAILED in states:
        state = "failed"
    elif rows and ended == len(rows):
        state = "done"
    elif ended or ShardState.LEASED in states:
        state = "running"
    else:
        state = "waiting"
    weight = sum(row[2] for row in rows)
    share = sum(row[2] * _share(row) for row in rows) / weight if weight else 0.0
    return MethodProgress(
        title=spec.title if spec else method_id,
        pillar=PILLAR_TITLES[spec.pillar] if spec else "",
        state=state,
        percent=round(100 * share),
        pieces=len(rows),
        done=ended,
        why=why,
    )


def _doing(
    job: Job | None, lines: tuple[MethodProgress, ...], preparing: list[Any], begun: bool, merging: bool
) -> str:
    if job is None:
        return "Waiting to be submitted."
    if job.state == JobState.CANCELLING:
        return "Being cancelled: what runs is stopped at the next sign of life, within seconds."
    if not begun:
        return "Waiting for a free worker."
    running = [line.title for line in lines if line.state == "running"]
    if any(row[1] == ShardState.LEASED for row in preparing):
        return "Reading model and data."
    if running:
        return f"Measuring: {', '.join(running)}."
    if merging or all(line.state in ("done", "failed") for line in lines):
        return "Putting measures together, judging them, and freezing the evidence."
    return "Waiting for a free worker to go on."
