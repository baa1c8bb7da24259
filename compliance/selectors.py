"""Reading reviews for lists and pages, with a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When

from accounts.models import Organisation, User
from compliance.models import Review, ReviewState, StageChange
from compliance.standing import Standing, standing_of
from models_registry.models import ModelVersion, Stage

__all__ = [
    "OPEN",
    "VIEWS",
    "ListedReview",
    "counted",
    "deployed_without_approval",
    "in_lists",
    "listed",
    "rows",
    "stage_changes",
    "with_names",
]

OPEN = (ReviewState.SUBMITTED, ReviewState.IN_REVIEW)
_NEVER = (
    *(
        f"{run}__{name}"
        for run in ("run", "run__baseline")
        for name in ("plan", "params", "methods", "counts")
    ),
    *(f"run__policy__{name}" for name in ("toml", "content")),
    *(
        f"run__subject__model_version__{name}"
        for name in ("facts", "signature", "lineage", "remarks", "sandbox")
    ),
    *(f"run__subject__dataset_version__{name}" for name in ("profile", "description", "sandbox")),
    "run__subject__profile",
)
"""Large columns that lists do not show: plans, profiles, texts of policies."""
VIEWS = {"open": "For review", "mine": "Mine", "decided": "Decided"}


class ListedReview(NamedTuple):
    review: Review
    standing: Standing
    yours: bool
    """Whether the reader asked for it."""


def with_names(organisation: Organisation) -> QuerySet[Review]:
    """Reviews with everything that a page says about them."""
    return Review.objects.of(organisation).select_related(
        "organisation", "requested_by", "reviewer", "revoked_by", "run__system", "run__created_by",
        "run__policy__policy", "run__baseline", "run__subject__model_version__model",
        "run__subject__dataset_version__dataset",
    )  # fmt: skip


def in_lists(organisation: Organisation) -> QuerySet[Review]:
    """Reviews with what a line says about them."""
    return with_names(organisation).defer(*_NEVER)


def listed(organisation: Organisation, show: str, reader: User) -> QuerySet[Review]:
    """One view of the list: what waits first, one's own first among that; then the newest."""
    found = in_lists(organisation)
    if show == "open":
        found = found.filter(state__in=OPEN)
    elif show == "mine":
        found = found.filter(Q(requested_by=reader) | Q(reviewer=reader))
    elif show == "decided":
        found = found.exclude(state__in=OPEN)
    first = Case(
        When(state=ReviewState.IN_REVIEW, reviewer=reader, then=Value(0)),
        When(state=ReviewState.SUBMITTED, then=Value(1)),
        When(state=ReviewState.IN_REVIEW, then=Value(2)),
        default=Value(3),
        output_field=IntegerField(),
    )
    return found.annotate(_first=first).order_by("_first", "-requested_at")


def rows(reviews: Iterable[Review], reader: User) -> list[ListedReview]:
    return [ListedReview(r, standing_of(r), r.requested_by_id == reader.pk) for r in reviews]


def counted(organisation: Organisation, reader: User) -> dict[str, int]:
    """How many reviews each view has, in one query."""
    found: dict[str, int] = Review.objects.of(organisation).aggregate(
        open=Count("pk", filter=Q(state__in=OPEN)),
        mine=Count("pk", filter=Q(requested_by=reader) | Q(reviewer=reader)),
        decided=Count("pk", filter=~Q(state__in=OPEN)),
    )
    return found


def stage_changes(version: ModelVersion) -> QuerySet[StageChange]:
    return (
        StageChange.objects.of(version.organisation_id)
        .filter(version=version)
        .select_related("by", "review")
        .order_by("-at")
    )


class Unapproved(NamedTuple):
    version: ModelVersion
    review: Review | None
    why: str


def deployed_without_approval(organisation: Organisation) -> list[Unapproved]:
    """Deployed versions whose approval is gone, stale or revoked: for warnings. Two queries."""
    versions = list(
        ModelVersion.objects.of(organisation).filter(stage=Stage.DEPLOYED).select_related("model__system")
    )
    latest: dict[object, Review] = {}
    for review in (
        Review.objects.of(organisation)
        .filter(
            run__subject__model_version__in=versions,
            state__in=(ReviewState.APPROVED, ReviewState.REJECTED),
        )
        .select_related("organisation", "run__subject")
        .order_by("decided_at")
    ):
        latest[review.run.subject.model_version_id] = review
    found = []
    for version in versions:
        decision = latest.get(version.pk)
        standing = standing_of(decision) if decision else None
        if standing is None or not standing.valid:
            why = "It was never approved." if standing is None else standing.sentence or "It was rejected."
            found.append(Unapproved(version, decision, why))
    return found
