"""Who can never decide on a review: whoever asked for it, ran it, or made what it is about."""

from __future__ import annotations

import uuid

from accounts.models import User
from compliance.models import Review

__all__ = ["why_not_independent"]


def why_not_independent(review: Review, user: User | uuid.UUID) -> str:
    """A sentence on why this person cannot review; empty where nothing stands in the way.

    The database refuses the requester besides (constraint `requester_is_never_reviewer`).
    """
    key = user if isinstance(user, uuid.UUID) else user.pk
    if key == review.requested_by_id:
        return "Whoever asked for a review never decides on it: another reviewer has to."
    if key == review.run.created_by_id:
        return f"Whoever planned {review.run} never reviews it: another reviewer has to."
    version = review.run.subject.model_version
    if key == version.created_by_id:
        return f"Whoever registered {version} never reviews it: another reviewer has to."
    return ""
