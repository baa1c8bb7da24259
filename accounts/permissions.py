"""What each role may do: one table, read by pages, API and tests.

A permission is asked for with `may(user, permission, organisation)` or, on views, `@member(permission)`.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import rules

from accounts.models import Membership, Organisation, Role, User

__all__ = ["PERMISSIONS", "Permission", "allows", "may", "role_of"]

Permission = Literal[
    "read",
    # systems, models, data, audits, remedies
    "register",
    "audit",
    "read_rows",
    # decisions
    "submit",
    "reply",
    "review",
    "promote",
    "revoke",
    "write_policy",
    "schedule",
    # the organisation
    "manage_members",
    "manage_organisation",
    "read_trail",
    "operate",
]
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)

_ALLOWS: dict[str, frozenset[str]] = {
    Role.OWNER: frozenset(PERMISSIONS) - {"review"},
    Role.ENGINEER: frozenset(
        {"read", "register", "audit", "read_rows", "submit", "reply", "schedule", "write_policy"}
    ),
    Role.REVIEWER: frozenset({"read", "read_rows", "review", "promote", "revoke", "read_trail"}),
    Role.AUDITOR: frozenset({"read", "read_trail"}),
    Role.OPERATOR: frozenset({"read", "operate", "schedule", "read_trail"}),
}


def allows(role: str, permission: Permission) -> bool:
    """Whether a role may do this."""
    return permission in _ALLOWS[role]


def role_of(user: User, organisation: Organisation) -> str | None:
    """The member's role; None for an outsider."""
    if not user.is_authenticated or not user.is_active:
        return None
    known: dict[Any, str | None] = user.__dict__.setdefault("_roles", {})
    if organisation.pk not in known:
        found = Membership.objects.of(organisation).filter(user=user).values_list("role", flat=True).first()
        known[organisation.pk] = found
    return known[organisation.pk]


def may(user: User, permission: Permission, organisation: Organisation) -> bool:
    """Whether the user's role in the organisation allows it."""
    return bool(rules.test_rule(f"assay.{permission}", user, organisation))


def _predicate(permission: Permission) -> Any:
    @rules.predicate(name=permission)  # type: ignore[untyped-decorator]
    def allowed(user: User, organisation: Organisation) -> bool:
        role = role_of(user, organisation)
        return role is not None and allows(role, permission)

    return allowed


for _name in PERMISSIONS:
    if not rules.rule_exists(f"assay.{_name}"):
        rules.add_rule(f"assay.{_name}", _predicate(_name))
