"""Reads for pages and lists; each in a fixed number of queries, however many rows there are."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import CharField, Count, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Abs, Cast, Coalesce, NullIf

from accounts.models import Organisation
from models_registry.models import (
    AISystem,
    Dataset,
    DatasetVersion,
    IntakeState,
    Model,
    ModelVersion,
    Stage,
    Subject,
)

__all__ = [
    "Branch",
    "Step",
    "comparable_with",
    "datasets_of",
    "first_steps",
    "lineage_of",
    "list_systems",
    "made_from",
    "models_of",
    "subjects_of",
    "version_names",
    "versions_of",
    "was_read",
]

_LARGE = ("facts", "signature", "said_signature", "sandbox", "remarks", "gate", "claims", "hub")
"""What a model version's own page shows and no list does."""
MOST_LINEAGE = 100
"""Versions that a lineage shows."""


def list_systems(
    organisation: Organisation, search: str = "", *, archived: bool = False, figures: bool = True
) -> QuerySet[Any]:
    """Systems with `model_count`, `dataset_count`, `version_count`, `deployed` (a version's name) and
    `unread` (versions being read); newest first. `search` looks at name, purpose, owner and "S-12";
    without `figures` the rows come plain."""
    rows: QuerySet[Any] = AISystem.objects.of(organisation).filter(archived_at__isnull=not archived)
    for word in search.replace("\x00", "").split()[:8]:
        match = (
            Q(name__icontains=word)
            | Q(purpose__icontains=word)
            | Q(owner__name__icontains=word)
            | Q(owner__email__icontains=word)
        )
        number = word.lower().removeprefix("s-")
        if number.isascii() and number.isdigit() and len(number) < 10:
            match |= Q(number=int(number))
        rows = rows.filter(match)
    if not figures:
        return rows.select_related("owner").order_by("-number")
    versions = ModelVersion.unscoped.filter(model__system=OuterRef("pk"))
    name = Coalesce(NullIf(F("label"), Value("")), Cast("number", CharField()))
    found: QuerySet[Any] = (
        rows.select_related("owner")
        .annotate(
            model_count=_count(Model.unscoped.filter(system=OuterRef("pk")), "system"),
            dataset_count=_count(Dataset.unscoped.filter(system=OuterRef("pk")), "system"),
            version_count=_count(versions, "model__system"),
            deployed=Subquery(
                versions.filter(stage=Stage.DEPLOYED)
                .order_by("-number")
                .annotate(said=name)
                .values("said")[:1]
            ),
            unread=_count(versions.filter(state__in=("waiting", "reading")), "model__system"),
        )
        .order_by("-number")
    )
    return found


def models_of(system: AISystem) -> list[Any]:
    """The system's models with `version_count` and `latest` (a ModelVersion or None)."""
    latest = ModelVersion.unscoped.filter(model=OuterRef("pk")).order_by("-number").values("pk")[:1]
    rows = list(
        Model.unscoped.filter(system=system)
        .annotate(
            version_count=_count(ModelVersion.unscoped.filter(model=OuterRef("pk")), "model"),
            ready_count=_count(
                ModelVersion.unscoped.filter(state=IntakeState.READY, model=OuterRef("pk")), "model"
            ),
            latest_id=Subquery(latest),
        )
        .order_by("name")
    )
    _with_latest(rows, ModelVersion)
    return rows


def datasets_of(system: AISystem) -> list[Any]:
    """The system's datasets with `version_count` and `latest` (a DatasetVersion or None)."""
    latest = DatasetVersion.unscoped.filter(dataset=OuterRef("pk")).order_by("-number").values("pk")[:1]
    rows = list(
        Dataset.unscoped.filter(system=system)
        .annotate(
            version_count=_count(DatasetVersion.unscoped.filter(dataset=OuterRef("pk")), "dataset"),
            ready_count=_count(
                DatasetVersion.unscoped.filter(state=IntakeState.READY, dataset=OuterRef("pk")), "dataset"
            ),
            latest_id=Subquery(latest),
        )
        .order_by("name")
    )
    _with_latest(rows, DatasetVersion)
    return rows


def versions_of(owner: Model | Dataset) -> QuerySet[Any]:
    """Versions of a model or dataset, newest first, without their large JSON."""
    if isinstance(owner, Model):
        rows: QuerySet[Any] = ModelVersion.unscoped.filter(model=owner)
        return (
            rows.defer(*_LARGE, *(f"parent__{name}" for name in (*_LARGE, "lineage", "notes")))
            # not joined: SQLite would begin with the people and sort all versions for every page
            .prefetch_related("created_by")
            .select_related("parent", "parent__model")
            .order_by("-number")
        )
    rows = DatasetVersion.unscoped.filter(dataset=owner)
    return rows.defer("profile", "sandbox").select_related("created_by").order_by("-number")


def comparable_with(version: DatasetVersion, limit: int = 12) -> list[DatasetVersion]:
    """Other versions of the same dataset that were read, the nearest in number first."""
    rows = (
        DatasetVersion.unscoped.filter(dataset_id=version.dataset_id, state=IntakeState.READY)
        .exclude(pk=version.pk)
        .only("pk", "number", "label", "dataset_id", "organisation_id")
        .order_by(Abs(F("number") - version.number), "-number")
    )
    return list(rows[:limit])


def subjects_of(version: ModelVersion | DatasetVersion, limit: int = 20) -> list[Subject]:
    """The pairs that the version was read in, newest first."""
    mine = {"model_version": version} if isinstance(version, ModelVersion) else {"dataset_version": version}
    return list(
        Subject.unscoped.filter(**mine)
        .defer("profile")
        .select_related("model_version__model", "dataset_version__dataset")
        .order_by("-created_at")[:limit]
    )


def made_from(version: ModelVersion, limit: int = 50) -> list[ModelVersion]:
    """Versions that were made from it, and adapters over it."""
    rows = ModelVersion.unscoped.filter(Q(parent=version) | Q(base=version)).select_related("model")
    return list(rows.order_by("created_at")[:limit])


def was_read(system: AISystem) -> bool:
    """Whether a model of the system was ever read on data: the first thing that an audit does."""
    return Subject.unscoped.filter(model_version__model__system=system).exists()


@dataclass
class Branch:
    """A version in the lineage of a model; `depth` is how many steps it is from its root, at most 6."""

    version: ModelVersion
    remedy: str
    depth: int
    others: bool
    """Whether it belongs to another model."""
    parent: ModelVersion | None = None
    children: list[Branch] = field(default_factory=list)


def lineage_of(model: Model) -> list[Branch]:
    """The versions of a model as lines to be printed one below the other: parents before children.

    Parents in other models are in it; more than 100 versions are cut, the oldest first.
    """
    fields = ("pk", "number", "label", "stage", "state", "parent_id", "model_id", "lineage", "source")
    rows = list(
        ModelVersion.unscoped.filter(model=model)
        .only(*fields, "organisation_id")
        .order_by("-number")[:MOST_LINEAGE]
    )
    for row in rows:
        row.model = model
    known = {row.pk: row for row in rows}
    missing = {row.parent_id for row in rows if row.parent_id and row.parent_id not in known}
    for row in (
        ModelVersion.unscoped.filter(pk__in=missing)
        .only(*fields, "model__name", "organisation_id")
        .select_related("model")
    ):
        known[row.pk] = row
    nodes = {
        pk: Branch(row, str((row.lineage or {}).get("remedy") or ""), 0, row.model_id != model.pk)
        for pk, row in known.items()
    }
    roots: list[Branch] = []
    for branch in sorted(nodes.values(), key=lambda each: each.version.number):
        parent = nodes.get(branch.version.parent_id) if branch.version.parent_id else None
        branch.parent = parent.version if parent is not None else None
        (parent.children if parent is not None else roots).append(branch)
    lines: list[Branch] = []
    waiting = list(reversed(roots))
    while waiting:
        branch = waiting.pop()
        lines.append(branch)
        for child in reversed(branch.children):
            child.depth = min(branch.depth + 1, 6)
            waiting.append(child)
    return lines


@dataclass(frozen=True)
class Step:
    """One of the first things to do in a new system."""

    title: str
    why: str
    done: bool
    url_name: str
    next: bool = False


def first_steps(models: Iterable[Any], datasets: Iterable[Any], audited: bool) -> list[Step]:
    """Register data, register a model, audit; the first that is not done is marked."""
    has_data = any(each.ready_count for each in datasets)
    has_model = any(each.ready_count for each in models)
    steps = [
        Step("Register data", "Rows with true outcomes that the model never saw.", has_data, "new_dataset"),
        Step("Register a model", "Its files, or columns of predictions in the data.", has_model, "new_model"),
        Step("Audit", "Measure it, with a policy or without.", audited, "audits:new_run"),
    ]
    first = next((place for place, step in enumerate(steps) if not step.done), None)
    return [Step(s.title, s.why, s.done, s.url_name, next=place == first) for place, s in enumerate(steps)]


def _count(rows: QuerySet[Any], group: str) -> Any:
    counted = rows.order_by().values(group).annotate(found=Count("pk")).values("found")
    return Coalesce(Subquery(counted), 0)


def _with_latest(rows: list[Any], kind: type[ModelVersion] | type[DatasetVersion]) -> None:
    keys: list[uuid.UUID] = [row.latest_id for row in rows if row.latest_id]
    light = ("profile", "sandbox") if kind is DatasetVersion else _LARGE
    found = {each.pk: each for each in kind.unscoped.filter(pk__in=keys).defer(*light)}
    for row in rows:
        row.latest = found.get(row.latest_id)


def version_names(
    kind: type[ModelVersion] | type[DatasetVersion], keys: Sequence[uuid.UUID]
) -> Mapping[uuid.UUID, str]:
    """What versions are called: loans 3."""
    container = "model" if kind is ModelVersion else "dataset"
    rows = kind.unscoped.filter(pk__in=keys).select_related(container)
    return {row.pk: str(row) for row in rows.only("number", "label", f"{container}__name")}
