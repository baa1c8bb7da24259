"""Home of an auditor: decisions lately, and the trail."""

from __future__ import annotations

from accounts.models import Organisation, Role, User
from accounts.trail_words import link_of, words_of
from audits.findings_selectors import open_findings
from portal.homes.parts import (
    SHOWN,
    Block,
    Home,
    Item,
    Tile,
    counted,
    decided_lately,
    finding_block,
    look,
    review_item,
    sentence,
    stale_approvals,
    url,
)
from trail.selectors import entries_of

__all__ = ["home"]


def home(organisation: Organisation, user: User) -> Home:
    slug = organisation.slug
    decided = decided_lately(organisation)
    stale, stale_count = stale_approvals(organisation)
    findings = open_findings(organisation)
    open_count = findings.count()
    entries = list(entries_of(organisation.pk)[:SHOWN])
    parts = [
        counted(len(decided), "decision in the last 30 days", "decisions in the last 30 days"),
        counted(open_count, "finding is open", "findings are open"),
        counted(stale_count, "approval is stale", "approvals are stale"),
    ]
    return Home(
        sentence(parts, "Nothing was decided in the last 30 days, and no finding is open."),
        [
            Tile("Decisions", len(decided), "in the last 30 days", url("compliance:reviews", slug)),
            Tile("Open findings", open_count, "of any severity", url("audits:findings", slug)),
            Tile(
                "Stale approvals",
                stale_count,
                "not renewed yet",
                url("compliance:reviews", slug),
                look(stale_count, "warn"),
            ),
            Tile("Trail", entries[0].sequence if entries else 0, "entries", url("accounts:trail", slug)),
        ],
        [
            Block(
                "Latest decisions",
                [review_item(slug, r) for r in decided[:SHOWN]],
                "Nothing was decided lately.",
            ),
            Block("Stale approvals", stale, "Every approval still fits what it was given for."),
            finding_block(slug, "Open findings", findings, "No finding is open."),
            Block(
                "Latest in the trail",
                [
                    Item(
                        words_of(e.action),
                        link_of(Role.AUDITOR, slug, e.target_kind, e.target_id),
                        f"entry {e.sequence}",
                        at=e.at,
                    )
                    for e in entries
                ],
                "The trail is empty.",
                url("accounts:trail", slug),
                "The whole trail",
            ),
        ],
    )
