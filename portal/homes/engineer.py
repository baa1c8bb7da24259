"""Home of an engineer: drafts, audits on their way, findings to answer."""

from __future__ import annotations

from accounts.models import Organisation, User
from audits.findings_selectors import open_findings
from audits.models import Run, RunState
from compliance.models import Review, ReviewState
from portal.homes.parts import (
    REVIEWS_NEVER,
    RUNS_NEVER,
    SHOWN,
    Block,
    Home,
    Tile,
    counted,
    finding_block,
    look,
    review_item,
    run_item,
    sentence,
    url,
)

__all__ = ["home"]


def home(organisation: Organisation, user: User) -> Home:
    slug = organisation.slug
    runs = list(
        Run.objects.of(organisation)
        .filter(created_by=user)
        .exclude(state=RunState.CANCELLED)
        .select_related("system")
        .defer(*RUNS_NEVER)
        .order_by("-created_at")[:20]
    )
    mine = open_findings(organisation).filter(owner=user)
    back = list(
        Review.objects.of(organisation)
        .filter(requested_by=user, state=ReviewState.CHANGES)
        .select_related("run__system")
        .defer(*REVIEWS_NEVER)
        .order_by("-decided_at", "-requested_at")[:SHOWN]
    )
    drafts = [run for run in runs if run.state == RunState.DRAFT]
    going = [run for run in runs if run.state in (RunState.WAITING, RunState.RUNNING)]
    ended = [run for run in runs if run.ended]
    owned = mine.count()
    parts = [
        counted(len(back), "review came back to you", "reviews came back to you"),
        counted(owned, "open finding is yours", "open findings are yours"),
        counted(len(going), "audit is running", "audits are running"),
        counted(len(drafts), "draft waits for its start", "drafts wait for their start"),
    ]
    return Home(
        sentence(parts, "Nothing waits for you. Audit a new version, or look at what others found."),
        [
            Tile("Running", len(going), "your audits", url("audits:runs", slug)),
            Tile("Drafts", len(drafts), "not started yet", url("audits:runs", slug)),
            Tile("Your findings", owned, "open", url("audits:findings", slug), look(owned, "warn")),
            Tile(
                "Changes requested",
                len(back),
                "by reviewers",
                url("compliance:reviews", slug),
                look(len(back), "warn"),
            ),
        ],
        [
            Block(
                "Came back from review", [review_item(slug, r) for r in back], "No review of yours came back."
            ),
            Block(
                "Running and drafts",
                [run_item(slug, r) for r in going + drafts][:SHOWN],
                "Nothing of yours is running.",
            ),
            finding_block(slug, "Findings that you own", mine, "You own no open finding."),
            Block(
                "Your latest audits",
                [run_item(slug, r) for r in ended[:SHOWN]],
                "You have run no audit yet.",
                url("audits:runs", slug),
                "All audits",
            ),
        ],
    )
