"""The latest audit of each system, for the registry's lists."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from django.db.models import OuterRef, Subquery
from django.urls import reverse

from accounts.models import Organisation
from audits.models import Run
from models_registry.models import AISystem
from models_registry.panels import Standing

__all__ = ["latest_audits"]


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
