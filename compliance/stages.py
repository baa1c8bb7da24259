"""A version's way: candidate, approved, deployed, retired. Up only through an approval that holds."""

from __future__ import annotations

from typing import Literal

from django.db import transaction

from accounts.models import Organisation, User
from assay.errors import AssayError, BadInput
from compliance.basis import bound_evidence, what_changed
from compliance.models import Review, ReviewState, StageChange
from compliance.standing import standing_of
from compliance.words import checked
from models_registry.models import ModelVersion, Stage
from trail.services import record

__all__ = ["Former", "approval_for", "change_stage", "steps_from", "why_not_up"]

Former = Literal["retire", "keep"]

_RANK = {Stage.RETIRED: -1, Stage.CANDIDATE: 0, Stage.APPROVED: 1, Stage.DEPLOYED: 2}
_NEXT = {
    Stage.CANDIDATE: (Stage.APPROVED, Stage.RETIRED),
    Stage.APPROVED: (Stage.DEPLOYED, Stage.CANDIDATE, Stage.RETIRED),
    Stage.DEPLOYED: (Stage.APPROVED, Stage.CANDIDATE, Stage.RETIRED),
    Stage.RETIRED: (Stage.APPROVED, Stage.CANDIDATE),
}


def steps_from(stage: str) -> tuple[Stage, ...]:
    """The stages that a version can go to next; up by one step only."""
    return _NEXT[Stage(stage)]


def is_up(before: str, after: str) -> bool:
    """Whether the step needs an approval."""
    return _RANK[Stage(after)] > max(_RANK[Stage(before)], 0)


def approval_for(version: ModelVersion) -> Review | None:
    """The decision that counts for a version: the latest approval or rejection."""
    return (
        Review.objects.of(version.organisation_id)
        .filter(
            run__subject__model_version=version,
            state__in=(ReviewState.APPROVED, ReviewState.REJECTED),
        )
        .select_related(
            "organisation", "reviewer", "run__policy__policy", "run__system",
            "run__subject__model_version__model", "run__subject__dataset_version__dataset",
        )
        .order_by("-decided_at")
        .first()
    )  # fmt: skip


def why_not_up(review: Review | None, after: str) -> str:
    """Why the decision does not carry the version to `after`; empty where it does. Looks everything up."""
    if review is None:
        return "No review of this version has approved it: ask for one."
    if review.state != ReviewState.APPROVED:
        return f"The last decision on this version, {review}, was a rejection."
    standing = standing_of(review)
    if not standing.valid:
        return f"The approval, {review}, no longer holds. {standing.sentence}"
    if changed := what_changed(review):
        return f"The approval, {review}, no longer holds. {changed}"
    if _RANK[Stage(review.purpose_stage)] < _RANK[Stage(after)]:
        asked = review.get_purpose_stage_display().lower()
        return f'{review} approved the version for "{asked}" only: ask for a review for deployment.'
    try:
        bound_evidence(review)
    except AssayError as error:
        return error.message
    return ""


def change_stage(
    version: ModelVersion,
    after: str,
    by: User,
    reason: str = "",
    *,
    former: Former = "retire",
    expected: str | None = None,
) -> StageChange:
    """Move a version to another stage.

    Up (to approved or deployed) by one step, and only where the latest decision is an approval that holds and
    is meant for that stage. Down at any time, with a reason. Deploying retires the version of the same model
    that was deployed before, unless `former` is "keep".

    Raises:
        AssayError: `conflict`: the version is not at `expected` any more.
        BadInput: the step does not exist, the approval does not carry it, or the reason is missing.
    """
    if after not in Stage.values:
        raise BadInput(f'"{after}" is no stage; there are {", ".join(Stage.values)}.')
    if former not in ("retire", "keep"):
        raise BadInput('The version deployed before is either to "retire" or to "keep".')
    reason = checked(reason, "The reason", required=False)
    with transaction.atomic():
        Organisation.objects.select_for_update().get(pk=version.organisation_id)
        version = ModelVersion.unscoped.select_related("model__system", "organisation").get(pk=version.pk)
        before = Stage(version.stage)
        if expected is not None and before != expected:
            raise AssayError(
                f"Somebody was faster: {version} is {before.label.lower()} now. Nothing was changed.",
                code="conflict",
            )
        if before == after:
            raise BadInput(f"{version} is {before.label.lower()} already.")
        if after not in steps_from(before):
            raise BadInput(f"A {before.label.lower()} version is not {Stage(after).label.lower()} next.")
        review = None
        if is_up(before, after):
            if (review := approval_for(version)) is not None:
                # Whoever revokes it at this moment waits; whoever has revoked it is seen.
                Review.unscoped.select_for_update().get(pk=review.pk)
                review = approval_for(version)
            if why := why_not_up(review, after):
                raise BadInput(f"{version} cannot become {Stage(after).label.lower()}. {why}")
        elif not reason:
            raise BadInput("Say why the version steps back: the reason is kept.")
        if after == Stage.DEPLOYED and former == "retire":
            for other in version.model.versions.filter(stage=Stage.DEPLOYED).select_related("model"):
                _move(other, Stage.RETIRED, by, f"{version} was deployed in its place.", None)
        return _move(version, Stage(after), by, reason, review)


def _move(version: ModelVersion, after: Stage, by: User, reason: str, review: Review | None) -> StageChange:
    before = version.stage
    version.stage = after
    version.save(update_fields=["stage"])
    made: StageChange = StageChange.objects.create(
        organisation_id=version.organisation_id, version=version, before=before, after=after,
        review=review, reason=reason, by=by,
    )  # fmt: skip
    record(
        version.organisation_id,
        "version.stage_changed",
        "model_version",
        version.pk,
        actor_id=by.pk,
        facts={
            "before": str(before),
            "after": str(after),
            "review": str(review.pk) if review else None,
            "snapshot_digest": review.snapshot_digest if review else None,
        },
        payload={"reason": reason},
    )
    return made
