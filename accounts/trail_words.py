"""The trail for readers: what an action is called, and where its target is shown."""

from __future__ import annotations

import uuid

from django.urls import NoReverseMatch, reverse

__all__ = ["link_of", "words_of"]

_WORDS = {
    "organisation.created": "Organisation created",
    "organisation.changed": "Organisation's settings changed",
    "member.added": "Member added",
    "member.role_changed": "Member's role changed",
    "member.removed": "Member removed",
    "invitation.sent": "Invitation made",
    "invitation.withdrawn": "Invitation withdrawn",
    "token.made": "API token made",
    "token.revoked": "API token revoked",
    "trail.erased": "Words of an entry erased",
}
# target_kind -> the page that shows such a row: (URL name, whether it takes the id)
_PAGES = {
    "organisation": ("accounts:settings", False),
    "user": ("accounts:members", False),
    "invitation": ("accounts:members", False),
    "token": ("accounts:tokens", False),
    "run": ("audits:run", True),
    "finding": ("audits:finding", True),
    "policy": ("audits:policy", True),
    "system": ("models_registry:system", True),
    "model": ("models_registry:model", True),
    "model_version": ("models_registry:model_version", True),
    "dataset": ("models_registry:dataset", True),
    "dataset_version": ("models_registry:dataset_version", True),
    "remedy": ("remediations:remedy", True),
    "review": ("compliance:review", True),
    "report": ("reports:document", True),
    "job": ("jobs:job", True),
    "schedule": ("jobs:schedule", True),
}


def words_of(action: str) -> str:
    """`review.approved` as "Review approved"."""
    return _WORDS.get(action) or action.replace(".", " ").replace("_", " ").capitalize()


def link_of(slug: str, kind: str, target: uuid.UUID) -> str:
    """The page of a target; empty where there is none."""
    name, by_id = _PAGES.get(kind, ("", False))
    try:
        return reverse(name, args=[slug, target] if by_id else [slug]) if name else ""
    except NoReverseMatch:
        return ""
