"""Home of an owner: what needs attention."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.db.models import Exists, OuterRef

from accounts.models import Membership, Organisation, User
from audits.findings_selectors import open_findings
from compliance.models import Review
from portal.homes.parts import (
    GRAVE,
    SHOWN,
    WAITING,
    Block,
    Home,
    Item,
    Tile,
    counted,
    failed_runs,
    finding_block,
    look,
    sentence,
    stale_approvals,
    url,
)

__all__ = ["home"]


def home(organisation: Organisation, user: User) -> Home:
    stale, stale_count = stale_approvals(organisation)
    failed, failed_count = failed_runs(organisation)
    findings = open_findings(organisation)
    grave = findings.filter(severity__in=GRAVE)
    second = Authenticator.objects.filter(user=OuterRef("user"), type=Authenticator.Type.TOTP)
    bare = list(
        Membership.objects.of(organisation)
        .filter(~Exists(second))
        .select_related("user")
        .order_by("user__name")
    )
    waiting = Review.objects.of(organisation).filter(state__in=WAITING).count()
    grave_count = grave.count()
    slug = organisation.slug
    parts = [
        counted(stale_count, "approval is stale", "approvals are stale"),
        counted(grave_count, "serious finding is open", "serious findings are open"),
        counted(failed_count, "audit did not finish", "audits did not finish"),
    ]
    return Home(
        sentence(parts, "Nothing needs you: no stale approval, no serious finding, no failed audit."),
        [
            Tile(
                "Stale approvals",
                stale_count,
                "to be reviewed again",
                url("compliance:reviews", slug),
                look(stale_count, "warn"),
            ),
            Tile(
                "Serious findings",
                grave_count,
                "open, high or critical",
                url("audits:findings", slug),
                look(grave_count, "fail"),
            ),
            Tile("Waiting for review", waiting, "submitted or in review", url("compliance:reviews", slug)),
            Tile(
                "Without second factor",
                len(bare),
                "members",
                url("accounts:members", slug),
                look(len(bare), "warn"),
            ),
        ],
        [
            Block("Stale approvals", stale, "Every approval still fits what it was given for."),
            finding_block(slug, "Serious findings", grave, "No finding of high severity is open."),
            Block("Audits that did not finish", failed, "Every audit of the last 30 days ran to its end."),
            Block(
                "Members without a second factor",
                [
                    Item(str(m.user), url("accounts:members", slug), m.get_role_display())
                    for m in bare[:SHOWN]
                ],
                "Everybody signs in with a second factor.",
            ),
        ],
    )
