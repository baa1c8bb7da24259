"""Home of a reviewer: what waits for a decision."""

from __future__ import annotations

from accounts.models import Organisation, User
from compliance.models import Review
from portal.homes.parts import (
    REVIEWS_NEVER,
    SHOWN,
    WAITING,
    Block,
    Home,
    Tile,
    counted,
    decided_lately,
    look,
    review_item,
    sentence,
    stale_approvals,
    url,
)

__all__ = ["home"]


def home(organisation: Organisation, user: User) -> Home:
    slug = organisation.slug
    waiting = list(
        Review.objects.of(organisation)
        .filter(state__in=WAITING)
        .exclude(requested_by=user)
        .select_related("run__system", "requested_by", "reviewer")
        .defer(*REVIEWS_NEVER)
        .order_by("requested_at")[:50]
    )
    taken = [r for r in waiting if r.reviewer_id == user.pk]
    free = [r for r in waiting if r.reviewer_id is None]
    stale, stale_count = stale_approvals(organisation)
    decided = decided_lately(organisation)
    parts = [
        counted(len(free), "audit waits for a reviewer", "audits wait for a reviewer"),
        counted(len(taken), "review is on your desk", "reviews are on your desk"),
        counted(stale_count, "approval is stale", "approvals are stale"),
    ]
    return Home(
        sentence(parts, "Nothing waits for review."),
        [
            Tile(
                "For review",
                len(free),
                "not taken yet",
                url("compliance:reviews", slug),
                look(len(free), "warn"),
            ),
            Tile("On your desk", len(taken), "taken by you", url("compliance:reviews", slug)),
            Tile(
                "Stale approvals",
                stale_count,
                "to be reviewed again",
                url("compliance:reviews", slug),
                look(stale_count, "warn"),
            ),
            Tile("Decided", len(decided), "in the last 30 days", url("compliance:reviews", slug)),
        ],
        [
            Block("On your desk", [review_item(slug, r) for r in taken[:SHOWN]], "You have taken no review."),
            Block("For review", [review_item(slug, r) for r in free[:SHOWN]], "Nobody waits for a reviewer."),
            Block("Stale approvals", stale, "Every approval still fits what it was given for."),
            Block(
                "Latest decisions",
                [review_item(slug, r) for r in decided[:SHOWN]],
                "Nothing was decided lately.",
            ),
        ],
    )
