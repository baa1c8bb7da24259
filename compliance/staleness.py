"""Approvals go stale by themselves: when policy, data or content change, and when their time is over."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from audits.models import PolicyVersion
from compliance.basis import lapse, what_changed
from compliance.models import Review, ReviewState
from models_registry.models import DatasetVersion, IntakeState, ModelVersion
from trail.services import record

__all__ = ["mark_stale", "on_policy_changed", "on_version_changed", "recheck_version", "sweep"]


def mark_stale(review: Review, why: str) -> bool:
    """Note once that an approval no longer holds, and why. False where it had been noted, or revoked."""
    with transaction.atomic():
        now = timezone.now()
        changed = Review.unscoped.filter(
            pk=review.pk, state=ReviewState.APPROVED, stale_at=None, revoked_at=None
        ).update(stale_at=now, stale_reason=why, revision=review.revision + 1)
        if not changed:
            return False
        review.stale_at, review.stale_reason, review.revision = now, why, review.revision + 1
        record(
            review.organisation_id,
            "review.stale",
            "review",
            review.pk,
            facts={"snapshot_digest": review.snapshot_digest},
            payload={"reason": why},
        )
    return True


def holding() -> QuerySet[Review]:
    """Approvals of every organisation that are neither stale nor revoked."""
    return Review.unscoped.filter(
        state=ReviewState.APPROVED, stale_at=None, revoked_at=None
    ).select_related(
        "organisation", "run__policy__policy", "run__subject__model_version__model",
        "run__subject__dataset_version__dataset",
    )  # fmt: skip


def on_policy_changed(policy_version: PolicyVersion, **_: Any) -> None:
    """A newer version of a policy ends what was approved under an older one."""
    _recheck(
        holding().filter(
            organisation=policy_version.organisation_id,
            run__policy__policy=policy_version.policy_id,
            run__policy__number__lt=policy_version.number,
        )
    )


def on_version_changed(version: ModelVersion | DatasetVersion, **_: Any) -> None:
    """New data end what was approved on older ones; a model version's change concerns its own approvals."""
    if version.state != IntakeState.READY:
        return
    found = holding().filter(organisation=version.organisation_id)
    if isinstance(version, DatasetVersion):
        _recheck(found.filter(run__subject__dataset_version__dataset=version.dataset_id))
    else:
        recheck_version(version)


def recheck_version(version: ModelVersion) -> None:
    """Look again at the approvals of one model version."""
    _recheck(holding().filter(organisation=version.organisation_id, run__subject__model_version=version))


def sweep() -> int:
    """Note the approvals whose time is over. Returns how many; run as often as you like."""
    tomorrow = timezone.now().date() + dt.timedelta(days=1)
    found = 0
    for review in holding().filter(lapses_on__lt=tomorrow):
        if why := lapse(review):
            found += mark_stale(review, why)
    return found


def _recheck(reviews: QuerySet[Review]) -> None:
    for review in reviews:
        if why := what_changed(review):
            mark_stale(review, why)
