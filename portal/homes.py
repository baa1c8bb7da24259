"""Home, by role: what needs this person now, and what to do next. A fixed number of queries each."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from allauth.mfa.models import Authenticator
from django.db.models import Count, Exists, OuterRef, Q
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from accounts.models import Membership, Organisation, Role, User
from accounts.trail_words import link_of, words_of
from audits.models import Finding, Run, RunState
from compliance.models import Review, ReviewState
from jobs.models import Firing, Job, JobState, Queue, Shard, Worker
from models_registry.models import AISystem, ModelVersion
from trail.selectors import entries_of

__all__ = ["Block", "Home", "Item", "Tile", "home_of"]

_SHOWN = 6
_RECENT = timedelta(days=30)
_ALIVE_SECONDS = 90.0
_RUNS_NEVER = ("plan", "params", "methods", "counts")
_REVIEWS_NEVER = ("checklist", "basis", "reason", "conditions", *(f"run__{name}" for name in _RUNS_NEVER))
"""Large columns that no home shows."""


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


def home_of(organisation: Organisation, user: User, role: str) -> dict[str, Any]:
    """The context of the page: a guided start until the first audit has run, then the home of the role."""
    here = organisation.slug
    has_system = AISystem.objects.of(organisation).exists()
    has_version = has_system and ModelVersion.objects.of(organisation).exists()
    has_run = has_version and Run.objects.of(organisation).exclude(state=RunState.DRAFT).exists()
    steps = [] if has_run else _steps(here, has_system, has_version)
    made = _HOMES[role](organisation, user)
    return {"home": made, "steps": steps}


def _steps(slug: str, has_system: bool, has_version: bool) -> list[Step]:
    systems, new_system = _url("models_registry:systems", slug), _url("models_registry:new_system", slug)
    return [
        Step(
            "Describe an AI system",
            "What it decides, who owns it, whom it affects.",
            new_system or systems,
            "Register a system",
            has_system,
        ),
        Step(
            "Bring its model and test data",
            "Model files, or just a table with predictions. Everything is read in a sandbox.",
            systems,
            "Upload",
            has_version,
        ),
        Step(
            "Run the first audit",
            "Plan and policy are fixed before anything is measured.",
            _url("audits:new_run", slug) or _url("audits:runs", slug),
            "Start an audit",
            False,
        ),
    ]


def _owner(organisation: Organisation, user: User) -> Home:
    stale, stale_count = _stale(organisation)
    failed, failed_count = _failed_runs(organisation)
    findings = Finding.objects.of(organisation).filter(state=Finding.State.OPEN)
    grave = findings.filter(severity__in=_GRAVE)
    second = Authenticator.objects.filter(user=OuterRef("user"), type=Authenticator.Type.TOTP)
    bare = list(
        Membership.objects.of(organisation)
        .filter(~Exists(second))
        .select_related("user")
        .order_by("user__name")
    )
    waiting = Review.objects.of(organisation).filter(state__in=_WAITING).count()
    grave_count = grave.count()
    slug = organisation.slug
    parts = [
        _count(stale_count, "approval is stale", "approvals are stale"),
        _count(grave_count, "serious finding is open", "serious findings are open"),
        _count(failed_count, "audit did not finish", "audits did not finish"),
    ]
    return Home(
        _sentence(parts, "Nothing needs you: no stale approval, no serious finding, no failed audit."),
        [
            Tile(
                "Stale approvals",
                stale_count,
                "to be reviewed again",
                _url("compliance:reviews", slug),
                _look(stale_count, "warn"),
            ),
            Tile(
                "Serious findings",
                grave_count,
                "open, high or critical",
                _url("audits:findings", slug),
                _look(grave_count, "fail"),
            ),
            Tile("Waiting for review", waiting, "submitted or in review", _url("compliance:reviews", slug)),
            Tile(
                "Without second factor",
                len(bare),
                "members",
                _url("accounts:members", slug),
                _look(len(bare), "warn"),
            ),
        ],
        [
            Block("Stale approvals", stale, "Every approval still fits what it was given for."),
            _finding_block(slug, "Serious findings", grave, "No finding of high severity is open."),
            Block("Audits that did not finish", failed, "Every audit of the last 30 days ran to its end."),
            Block(
                "Members without a second factor",
                [
                    Item(str(m.user), _url("accounts:members", slug), m.get_role_display())
                    for m in bare[:_SHOWN]
                ],
                "Everybody signs in with a second factor.",
            ),
        ],
    )


def _engineer(organisation: Organisation, user: User) -> Home:
    slug = organisation.slug
    runs = list(
        Run.objects.of(organisation)
        .filter(created_by=user)
        .exclude(state=RunState.CANCELLED)
        .select_related("system")
        .defer(*_RUNS_NEVER)
        .order_by("-created_at")[:20]
    )
    mine = Finding.objects.of(organisation).filter(state=Finding.State.OPEN, owner=user)
    back = list(
        Review.objects.of(organisation)
        .filter(requested_by=user, state=ReviewState.CHANGES)
        .select_related("run__system")
        .defer(*_REVIEWS_NEVER)
        .order_by("-decided_at", "-requested_at")[:_SHOWN]
    )
    drafts = [run for run in runs if run.state == RunState.DRAFT]
    going = [run for run in runs if run.state in (RunState.WAITING, RunState.RUNNING)]
    ended = [run for run in runs if run.ended]
    owned = mine.count()
    parts = [
        _count(len(back), "review came back to you", "reviews came back to you"),
        _count(owned, "open finding is yours", "open findings are yours"),
        _count(len(going), "audit is running", "audits are running"),
        _count(len(drafts), "draft waits for its start", "drafts wait for their start"),
    ]
    return Home(
        _sentence(parts, "Nothing waits for you. Audit a new version, or look at what others found."),
        [
            Tile("Running", len(going), "your audits", _url("audits:runs", slug)),
            Tile("Drafts", len(drafts), "not started yet", _url("audits:runs", slug)),
            Tile("Your findings", owned, "open", _url("audits:findings", slug), _look(owned, "warn")),
            Tile(
                "Changes requested",
                len(back),
                "by reviewers",
                _url("compliance:reviews", slug),
                _look(len(back), "warn"),
            ),
        ],
        [
            Block("Came back from review", [_review(slug, r) for r in back], "No review of yours came back."),
            Block(
                "Running and drafts",
                [_run(slug, r) for r in going + drafts][:_SHOWN],
                "Nothing of yours is running.",
            ),
            _finding_block(slug, "Findings that you own", mine, "You own no open finding."),
            Block(
                "Your latest audits",
                [_run(slug, r) for r in ended[:_SHOWN]],
                "You have run no audit yet.",
                _url("audits:runs", slug),
                "All audits",
            ),
        ],
    )


def _reviewer(organisation: Organisation, user: User) -> Home:
    slug = organisation.slug
    waiting = list(
        Review.objects.of(organisation)
        .filter(state__in=_WAITING)
        .exclude(requested_by=user)
        .select_related("run__system", "requested_by", "reviewer")
        .defer(*_REVIEWS_NEVER)
        .order_by("requested_at")[:50]
    )
    taken = [r for r in waiting if r.reviewer_id == user.pk]
    free = [r for r in waiting if r.reviewer_id is None]
    stale, stale_count = _stale(organisation)
    decided = _decided(organisation)
    parts = [
        _count(len(free), "audit waits for a reviewer", "audits wait for a reviewer"),
        _count(len(taken), "review is on your desk", "reviews are on your desk"),
        _count(stale_count, "approval is stale", "approvals are stale"),
    ]
    return Home(
        _sentence(parts, "Nothing waits for review."),
        [
            Tile(
                "For review",
                len(free),
                "not taken yet",
                _url("compliance:reviews", slug),
                _look(len(free), "warn"),
            ),
            Tile("On your desk", len(taken), "taken by you", _url("compliance:reviews", slug)),
            Tile(
                "Stale approvals",
                stale_count,
                "to be reviewed again",
                _url("compliance:reviews", slug),
                _look(stale_count, "warn"),
            ),
            Tile("Decided", len(decided), "in the last 30 days", _url("compliance:reviews", slug)),
        ],
        [
            Block("On your desk", [_review(slug, r) for r in taken[:_SHOWN]], "You have taken no review."),
            Block("For review", [_review(slug, r) for r in free[:_SHOWN]], "Nobody waits for a reviewer."),
            Block("Stale approvals", stale, "Every approval still fits what it was given for."),
            Block(
                "Latest decisions",
                [_review(slug, r) for r in decided[:_SHOWN]],
                "Nothing was decided lately.",
            ),
        ],
    )


def _auditor(organisation: Organisation, user: User) -> Home:
    slug = organisation.slug
    decided = _decided(organisation)
    stale, stale_count = _stale(organisation)
    findings = Finding.objects.of(organisation).filter(state=Finding.State.OPEN)
    open_count = findings.count()
    entries = list(entries_of(organisation.pk)[:_SHOWN])
    parts = [
        _count(len(decided), "decision in the last 30 days", "decisions in the last 30 days"),
        _count(open_count, "finding is open", "findings are open"),
        _count(stale_count, "approval is stale", "approvals are stale"),
    ]
    return Home(
        _sentence(parts, "Nothing was decided in the last 30 days, and no finding is open."),
        [
            Tile("Decisions", len(decided), "in the last 30 days", _url("compliance:reviews", slug)),
            Tile("Open findings", open_count, "of any severity", _url("audits:findings", slug)),
            Tile(
                "Stale approvals",
                stale_count,
                "not renewed yet",
                _url("compliance:reviews", slug),
                _look(stale_count, "warn"),
            ),
            Tile("Trail", entries[0].sequence if entries else 0, "entries", _url("accounts:trail", slug)),
        ],
        [
            Block(
                "Latest decisions",
                [_review(slug, r) for r in decided[:_SHOWN]],
                "Nothing was decided lately.",
            ),
            Block("Stale approvals", stale, "Every approval still fits what it was given for."),
            _finding_block(slug, "Open findings", findings, "No finding is open."),
            Block(
                "Latest in the trail",
                [
                    Item(
                        words_of(e.action),
                        link_of(slug, e.target_kind, e.target_id),
                        f"entry {e.sequence}",
                        at=e.at,
                    )
                    for e in entries
                ],
                "The trail is empty.",
                _url("accounts:trail", slug),
                "The whole trail",
            ),
        ],
    )


def _operator(organisation: Organisation, user: User) -> Home:
    slug = organisation.slug
    unfinished = Shard.objects.filter(job__organisation=organisation, state__in=("ready", "leased"))
    queued = unfinished.aggregate(
        cpu=Count("pk", filter=Q(state="ready", queue=Queue.CPU)),
        gpu=Count("pk", filter=Q(state="ready", queue=Queue.GPU)),
        running=Count("pk", filter=Q(state="leased")),
    )
    now = timezone.now()
    workers = list(Worker.objects.order_by("name"))
    alive = [w for w in workers if now.timestamp() - w.seen_at < _ALIVE_SECONDS]
    broken = list(
        Job.objects.of(organisation)
        .filter(state__in=(JobState.FAILED, JobState.INCOMPLETE), ended_at__gte=now - _RECENT)
        .order_by("-ended_at")[:50]
    )
    missed = list(
        Firing.objects.filter(
            schedule__organisation=organisation, state="failed", fired_at__gte=now - _RECENT
        )
        .select_related("schedule")
        .order_by("-fired_at")[:_SHOWN]
    )
    going = list(
        Job.objects.of(organisation)
        .filter(state__in=(JobState.RUNNING, JobState.WAITING, JobState.CANCELLING))
        .order_by("-priority", "submitted_at")[:_SHOWN]
    )
    nobody = not alive and (queued["cpu"] or queued["gpu"])
    parts = [
        _count(len(broken), "job failed in the last 30 days", "jobs failed in the last 30 days"),
        _count(queued["running"], "shard is in work", "shards are in work"),
        _count(queued["cpu"] + queued["gpu"], "shard waits", "shards wait"),
    ]
    if nobody:
        parts.insert(0, "work waits and no worker is alive")
    return Home(
        _sentence(parts, "All is quiet: nothing waits, nothing failed."),
        [
            Tile(
                "Workers",
                len(alive),
                f"alive, of {len(workers)} known",
                _url("jobs:jobs", slug),
                "fail" if nobody else "",
            ),
            Tile("In work", queued["running"], "shards", _url("jobs:jobs", slug)),
            Tile(
                "Waiting",
                queued["cpu"] + queued["gpu"],
                f"{queued['cpu']} cpu · {queued['gpu']} gpu",
                _url("jobs:jobs", slug),
            ),
            Tile(
                "Failed",
                len(broken),
                "jobs in the last 30 days",
                _url("jobs:jobs", slug),
                _look(len(broken), "fail"),
            ),
        ],
        [
            Block(
                "Failed or incomplete",
                [_job(slug, j) for j in broken[:_SHOWN]],
                "No job failed in the last 30 days.",
            ),
            Block(
                "Running and waiting",
                [_job(slug, j) for j in going],
                "Nothing runs, nothing waits.",
                _url("jobs:jobs", slug),
                "All jobs",
            ),
            Block(
                "Schedules that failed",
                [
                    Item(
                        f.schedule.name,
                        _url("jobs:schedule", slug, f.schedule_id),
                        f.reason,
                        "failed",
                        f.fired_at,
                    )
                    for f in missed
                ],
                "Every schedule fired as planned.",
            ),
            Block(
                "Workers",
                [
                    Item(
                        w.name,
                        "",
                        f"{w.queues} · {w.doing or 'idle'}",
                        "" if w in alive else "failed",
                        _at(w.seen_at),
                    )
                    for w in workers[:_SHOWN]
                ],
                "No worker has ever reported; docs/deploy.md tells how to start one.",
            ),
        ],
    )


_GRAVE = ("critical", "high")
_WAITING = (ReviewState.SUBMITTED, ReviewState.IN_REVIEW)
_HOMES: dict[str, Callable[[Organisation, User], Home]] = {
    Role.OWNER: _owner,
    Role.ENGINEER: _engineer,
    Role.REVIEWER: _reviewer,
    Role.AUDITOR: _auditor,
    Role.OPERATOR: _operator,
}


def _stale(organisation: Organisation) -> tuple[list[Item], int]:
    found = (
        Review.objects.of(organisation)
        .filter(state=ReviewState.APPROVED, stale_at__isnull=False, revoked_at=None)
        .select_related("run__system")
        .defer(*_REVIEWS_NEVER)
        .order_by("-stale_at")
    )
    rows = list(found[:100])
    return [
        _review(organisation.slug, r)._replace(state="stale", sub=r.stale_reason, at=r.stale_at)
        for r in rows[:_SHOWN]
    ], len(rows)


def _decided(organisation: Organisation) -> list[Review]:
    return list(
        Review.objects.of(organisation)
        .filter(decided_at__gte=timezone.now() - _RECENT)
        .select_related("run__system", "reviewer")
        .defer(*_REVIEWS_NEVER)
        .order_by("-decided_at")[:100]
    )


def _failed_runs(organisation: Organisation) -> tuple[list[Item], int]:
    found = (
        Run.objects.of(organisation)
        .filter(state__in=(RunState.FAILED, RunState.INCOMPLETE), ended_at__gte=timezone.now() - _RECENT)
        .select_related("system")
        .defer(*_RUNS_NEVER)
        .order_by("-ended_at")
    )
    rows = list(found[:100])
    return [_run(organisation.slug, r) for r in rows[:_SHOWN]], len(rows)


def _finding_block(slug: str, title: str, findings: Any, empty: str) -> Block:
    rows = findings.select_related("system").order_by("due", "-number")[:_SHOWN]
    return Block(
        title,
        [
            Item(
                f"F-{f.number} {f.title}",
                _url("audits:finding", slug, f.pk),
                f"{f.system.name} · {f.severity}" + (f" · due {f.due:%-d %b %Y}" if f.due else ""),
            )
            for f in rows
        ],
        empty,
        _url("audits:findings", slug),
        "All findings",
    )


def _run(slug: str, run: Run) -> Item:
    ended = run.state == RunState.DONE and run.outcome
    return Item(
        f"{run}: {run.title}",
        _url("audits:run", slug, run.pk) or _url("audits:runs", slug),
        run.system.name,
        f"outcome:{run.outcome}" if ended else run.state,
        run.ended_at or run.started_at or run.created_at,
    )


def _review(slug: str, review: Review) -> Item:
    return Item(
        f"{review}: {review.run.system.name}, audit {review.run.number}",
        _url("compliance:review", slug, review.pk) or _url("compliance:reviews", slug),
        review.message[:120],
        "revoked" if review.revoked_at else "stale" if review.stale_at else review.state,
        review.decided_at or review.requested_at,
    )


def _job(slug: str, job: Job) -> Item:
    link = _url("jobs:job", slug, job.pk) or _url("jobs:jobs", slug)
    return Item(job.kind.capitalize(), link, job.reason[:160], job.state, job.ended_at or job.submitted_at)


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.get_default_timezone())


def _url(name: str, *args: str | uuid.UUID) -> str:
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


def _look(count: int, look: str) -> str:
    return look if count else ""


def _count(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}" if count else ""


def _sentence(parts: Iterable[str], nothing: str) -> str:
    """The parts that are there, as one sentence."""
    said = [part for part in parts if part]
    if not said:
        return nothing
    text = said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
    return f"{text[0].upper()}{text[1:]}."
