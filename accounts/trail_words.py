"""The trail for readers: what an action is called, and where its target is shown."""

from __future__ import annotations

import uuid

from django.urls import resolve, reverse

from accounts.permissions import allows

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
# target_kind -> the page that shows all such rows, or that shows one by its id
_OF_ALL = {
    "organisation": "accounts:settings",
    "user": "accounts:members",
    "invitation": "accounts:members",
}
_OF_ONE = {
    "run": "audits:run",
    "finding": "audits:finding",
    "policy": "audits:policy",
    "system": "models_registry:system",
    "model": "models_registry:model",
    "model_version": "models_registry:model_version",
    "dataset": "models_registry:dataset",
    "dataset_version": "models_registry:dataset_version",
    "remedy": "remediations:remedy",
    "review": "compliance:review",
    "report": "reports:document",
    "job": "jobs:job",
    "schedule": "jobs:schedule",
}


def words_of(action: str) -> str:
    """`review.approved` as "Review approved"."""
    return _WORDS.get(action) or action.replace(".", " ").replace("_", " ").capitalize()


def link_of(role: str, slug: str, kind: str, target: uuid.UUID) -> str:
    """The page of a target; empty where there is none, or none that this role may open."""
    if kind in _OF_ALL:
        path = reverse(_OF_ALL[kind], args=[slug])
    elif kind in _OF_ONE:
        path = reverse(_OF_ONE[kind], args=[slug, target])
    else:
        return ""
    return path if allows(role, resolve(path).func.permission) else ""  # type: ignore[attr-defined]
