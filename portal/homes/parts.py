"""What the homes of all roles are made of."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from accounts.models import Organisation
from audits.models import Run, RunState
from compliance.models import Review, ReviewState
from jobs.models import Job

__all__ = [
    "ALIVE_SECONDS",
    "GRAVE",
    "RECENT",
    "REVIEWS_NEVER",
    "RUNS_NEVER",
    "SHOWN",
    "WAITING",
    "Block",
    "Home",
    "Item",
    "Step",
    "Tile",
    "counted",
    "decided_lately",
    "failed_runs",
    "finding_block",
    "job_item",
    "look",
    "moment",
    "review_item",
    "run_item",
    "sentence",
    "stale_approvals",
    "url",
]

SHOWN = 6
RECENT = timedelta(days=30)
ALIVE_SECONDS = 90.0
RUNS_NEVER = ("plan", "params", "methods", "counts")
REVIEWS_NEVER = ("checklist", "basis", "reason", "conditions", *(f"run__{name}" for name in RUNS_NEVER))
"""Large columns that no home shows."""
GRAVE = ("critical", "high")
WAITING = (ReviewState.SUBMITTED, ReviewState.IN_REVIEW)


class Item(NamedTuple):
    """One thing that waits: where it is, how it stands, since when."""

    title: str
    link: str = ""
    sub: str = ""
    state: str = ""
    at: datetime | None = None


class Block(NamedTuple):
    """A list of such things, or why there are none."""

    title: str
    items: list[Item]
    empty: str
    more: str = ""
    more_words: str = ""


class Tile(NamedTuple):
    """A count that can be looked into; `look` is warn or fail where it asks for action."""

    title: str
    figure: int
    words: str
    link: str = ""
    look: str = ""


class Step(NamedTuple):
    """One of the three steps of an organisation that is new."""

    title: str
    words: str
    link: str
    action: str
    done: bool


class Home(NamedTuple):
    """The page."""

    sentence: str
    tiles: list[Tile]
    blocks: list[Block]


def stale_approvals(organisation: Organisation) -> tuple[list[Item], int]:
    found = (
        Review.objects.of(organisation)
        .filter(state=ReviewState.APPROVED, stale_at__isnull=False, revoked_at=None)
        .select_related("run__system")
        .defer(*REVIEWS_NEVER)
        .order_by("-stale_at")
    )
    rows = list(found[:100])
    return [
        review_item(organisation.slug, r)._replace(state="stale", sub=r.stale_reason, at=r.stale_at)
        for r in rows[:SHOWN]
    ], len(rows)


def decided_lately(organisation: Organisation) -> list[Review]:
    return list(
        Review.objects.of(organisation)
        .filter(decided_at__gte=timezone.now() - RECENT)
        .select_related("run__system", "reviewer")
        .defer(*REVIEWS_NEVER)
        .order_by("-decided_at")[:100]
    )


def failed_runs(organisation: Organisation) -> tuple[list[Item], int]:
    found = (
        Run.objects.of(organisation)
        .filter(state__in=(RunState.FAILED, RunState.INCOMPLETE), ended_at__gte=timezone.now() - RECENT)
        .select_related("system")
        .defer(*RUNS_NEVER)
        .order_by("-ended_at")
    )
    rows = list(found[:100])
    return [run_item(organisation.slug, r) for r in rows[:SHOWN]], len(rows)


def finding_block(slug: str, title: str, findings: Any, empty: str) -> Block:
    rows = findings.select_related("system").order_by("due", "-number")[:SHOWN]
    return Block(
        title,
        [
            Item(
                f"F-{f.number} {f.title}",
                url("audits:finding", slug, f.pk),
                f"{f.system.name} · {f.severity}" + (f" · due {f.due:%-d %b %Y}" if f.due else ""),
            )
            for f in rows
        ],
        empty,
        url("audits:findings", slug),
        "All findings",
    )


def run_item(slug: str, run: Run) -> Item:
    ended = run.state == RunState.DONE and run.outcome
    return Item(
        f"{run}: {run.title}",
        url("audits:run", slug, run.pk) or url("audits:runs", slug),
        run.system.name,
        f"outcome:{run.outcome}" if ended else run.state,
        run.ended_at or run.started_at or run.created_at,
    )


def review_item(slug: str, review: Review) -> Item:
    return Item(
        f"{review}: {review.run.system.name}, audit {review.run.number}",
        url("compliance:review", slug, review.pk) or url("compliance:reviews", slug),
        review.message[:120],
        "revoked" if review.revoked_at else "stale" if review.stale_at else review.state,
        review.decided_at or review.requested_at,
    )


def job_item(slug: str, job: Job) -> Item:
    link = url("jobs:job", slug, job.pk) or url("jobs:jobs", slug)
    return Item(job.kind.capitalize(), link, job.reason[:160], job.state, job.ended_at or job.submitted_at)


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.get_default_timezone())


def url(name: str, *args: str | uuid.UUID) -> str:
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


def look(count: int, look: str) -> str:
    return look if count else ""


def counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}" if count else ""


def sentence(parts: Iterable[str], nothing: str) -> str:
    """The parts that are there, as one sentence."""
    said = [part for part in parts if part]
    if not said:
        return nothing
    text = said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
    return f"{text[0].upper()}{text[1:]}."
