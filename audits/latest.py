"""The latest audit of each system, for the registry's lists."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from django.db.models import OuterRef, Subquery
from django.urls import reverse

from accounts.models import Organisation
from audits.models import Run
from models_registry.models import AISystem
from models_registry.panels import Comparable, Standing

__all__ = ["comparable_runs", "latest_audits"]

_MOST = 20


def latest_audits(organisation: Organisation, systems: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Standing]:
    """System -> outcome, title and page of its newest measured audit; two queries."""
    newest = Run.objects.of(organisation).filter(system=OuterRef("pk")).exclude(snapshot_digest="")
    last = Subquery(newest.order_by("-number").values("pk")[:1])
    wanted = AISystem.objects.of(organisation).filter(pk__in=systems).values_list(last, flat=True)
    rows = Run.objects.of(organisation).filter(pk__in=[pk for pk in wanted if pk])
    return {
        run.system_id: Standing(
            run.outcome, str(run), reverse("audits:run", args=[organisation.slug, run.pk])
        )
        for run in rows.only("pk", "system_id", "outcome", "number")
    }


def comparable_runs(organisation: Organisation, before: uuid.UUID, after: uuid.UUID) -> list[Comparable]:
    """The newest measured audits of two model versions on each data version that both were audited on; one
    query."""
    rows = (
        Run.objects.of(organisation)
        .filter(subject__model_version__in=[before, after])
        .exclude(snapshot_digest="")
        .select_related("subject__dataset_version__dataset")
        .only(
            "number",
            "subject__model_version_id",
            "subject__dataset_version__number",
            "subject__dataset_version__label",
            "subject__dataset_version__organisation_id",
            "subject__dataset_version__dataset__name",
            "subject__dataset_version__dataset__organisation_id",
        )
        .order_by("-number")[:500]
    )
    newest: dict[uuid.UUID, dict[uuid.UUID, Run]] = {}
    for run in rows:
        by_model = newest.setdefault(run.subject.dataset_version_id, {})
        by_model.setdefault(run.subject.model_version_id, run)
    pairs = [found for found in newest.values() if {before, after} <= found.keys() and before != after]
    return [
        Comparable(
            f"On {found[after].subject.dataset_version}: {found[after]} against {found[before]}",
            reverse("audits:compare", args=[organisation.slug, found[before].pk, found[after].pk]),
        )
        for found in pairs[:_MOST]
    ]
