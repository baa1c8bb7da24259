"""What an approval rests on, and what has changed since.

An approval is about one version of a model, measured on one version of a dataset, judged by one version of a
policy. It goes stale when one of these is no longer what is in force (docs/reviews.md):

- policy: a newer version of the same policy was published;
- data: a newer version of the same dataset is ready, or the content of the one that was measured changed;
- model: the content of *this* version changed. A newer version of the model takes nothing from the approval
  of an older one, whose files are what they were; it has no approval itself;
- an acceptance of a finding that the approval rests on has ended, or its own validity has;
- a later review of the same version ended in a rejection.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from assay.contracts import Evidence
from assay.errors import AssayError, BadInput
from assay.evidence import digest
from audits.models import Finding, PolicyVersion
from audits.planning import evidence_of
from compliance.models import Review, ReviewState
from compliance.words import day, today
from models_registry.models import DatasetVersion, IntakeState, ModelVersion

__all__ = ["basis_of", "bound_evidence", "data_digest", "lapse", "model_digest", "what_changed"]


def model_digest(version: ModelVersion) -> str:
    """Digest of what the version is: its files under their names (and those of the base below an adapter) and
    what people say of their signature, which columns hold its predictions, or the endpoint and whether
    another model was found there."""
    said: dict[str, Any] = {}
    if version.said_signature is not None:
        said["said_signature"] = version.said_signature
    if version.source == ModelVersion.Source.ENDPOINT:
        said |= {"endpoint": version.endpoint, "swapped": version.swapped}
    if version.base is not None:
        said["base"] = _files(version.base)
    return digest(
        {
            **said,
            "source": version.source,
            "files": _files(version),
            "predictions": version.predictions,
            "scores": version.scores,
            "threshold": version.threshold,
        }
    )


def _files(version: ModelVersion) -> list[list[str]]:
    return sorted([m.path, m.file.sha256] for m in version.members.select_related("file"))


def data_digest(version: DatasetVersion) -> str:
    """Digest of the files by role and of what their columns mean."""
    return digest(
        {
            "files": sorted([f.role, f.file.sha256] for f in version.files.select_related("file")),
            "description": version.description,
        }
    )


def bound_evidence(review: Review) -> Evidence:
    """The snapshot that the review is bound to, both its digests recomputed from what is stored now.

    Raises:
        BadInput: the file is gone, damaged, or another one than was submitted.
    """
    try:
        evidence = evidence_of(review.run)
    except AssayError as error:
        raise BadInput(
            f"The stored snapshot of {review.run} cannot be relied on, so nothing can be decided on it: "
            f"{error.message} Restore it from a backup, or audit again."
        ) from error
    if not evidence.snapshot_digest == review.snapshot_digest == review.run.snapshot_digest:
        raise BadInput(
            f"The stored snapshot of {review.run} is not the one that was submitted "
            f"({evidence.snapshot_digest[:8]} instead of {review.snapshot_digest[:8]}); submit again."
        )
    return evidence


def basis_of(review: Review) -> tuple[dict[str, Any], dt.date | None]:
    """What to remember of the moment of an approval, and the last day on which it can hold."""
    subject = review.run.subject
    accepted = Finding.objects.of(review.organisation_id).filter(
        sightings__run=review.run,
        state=Finding.State.ACCEPTED,
        accepted_until__gte=today(review.organisation),  # one that has ended is an open finding
    )
    ends: dict[int, dt.date] = {f.number: f.accepted_until for f in accepted}
    days = [end for end in (review.valid_until, *ends.values()) if end is not None]
    basis = {
        "model": model_digest(subject.model_version),
        "data": data_digest(subject.dataset_version),
        "policy": str(review.run.policy_id) if review.run.policy_id else None,
        "acceptances": {str(number): end.isoformat() for number, end in ends.items()},
    }
    return basis, min(days, default=None)


def lapse(review: Review, now: dt.date | None = None) -> str:
    """Why an approval no longer holds by the calendar alone; empty while it does. No queries."""
    now = now or today(review.organisation)
    if review.lapses_on is None or now <= review.lapses_on:
        return ""
    if review.valid_until is not None and review.valid_until < now:
        return f"It was valid until {day(review.valid_until)}."
    for number, end in review.basis.get("acceptances", {}).items():
        if (ended := dt.date.fromisoformat(end)) < now:
            return f"The acceptance of finding F-{number}, which it rests on, ended on {day(ended)}."
    return f"It could hold until {day(review.lapses_on)}."


def what_changed(review: Review) -> str:
    """Why an approval no longer holds, looked up afresh; empty while it does."""
    if found := lapse(review):
        return found
    run, subject = review.run, review.run.subject
    model, data = subject.model_version, subject.dataset_version
    if run.policy is not None:
        newer = PolicyVersion.objects.of(review.organisation_id).filter(
            policy=run.policy.policy_id, number__gt=run.policy.number
        )
        if (policy := newer.select_related("policy").order_by("-number").first()) is not None:
            return f"The policy has changed: {policy} is in force; it was judged by {run.policy}."
    newer_data = DatasetVersion.objects.of(review.organisation_id).filter(
        dataset=data.dataset_id, number__gt=data.number, state=IntakeState.READY
    )
    if (latest := newer_data.select_related("dataset").order_by("-number").first()) is not None:
        return f"The data have changed: {latest} has arrived; it was measured on {data}."
    if review.basis.get("data") != data_digest(data):
        return f"The content of {data} is not what was measured."
    if review.basis.get("model") != model_digest(model):
        return f"The content of {model} is not what was measured."
    rejected = Review.objects.of(review.organisation_id).filter(
        run__subject__model_version=model, state=ReviewState.REJECTED, decided_at__gt=review.decided_at
    )
    if (later := rejected.first()) is not None:
        return f"A later decision on the same version, {later}, was a rejection."
    return ""
