"""Reads for the pages of accounts: a fixed number of queries each."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import ApiToken, Membership, Organisation, User

__all__ = ["has_second_factor", "members_of", "memberships_of", "tokens_of"]


def members_of(organisation: Organisation) -> QuerySet[Membership]:
    """Members with `second_factor`, by name."""
    second = Authenticator.objects.filter(user=OuterRef("user"), type=Authenticator.Type.TOTP)
    found: QuerySet[Membership] = (
        Membership.objects.of(organisation)
        .select_related("user")
        .annotate(second_factor=Exists(second))
        .order_by("user__name", "user__email")
    )
    return found


def memberships_of(user: User) -> QuerySet[Membership]:
    """The organisations of a person, the first joined first."""
    return Membership.unscoped.filter(user=user).select_related("organisation").order_by("created_at")


def tokens_of(user: User, organisation: Organisation) -> QuerySet[ApiToken]:
    found: QuerySet[ApiToken] = (
        ApiToken.objects.of(organisation).filter(user=user).order_by("revoked_at", "-created_at")
    )
    return found


def has_second_factor(user: User) -> bool:
    return bool(Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists())
