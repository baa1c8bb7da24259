"""What an adapter may stand on: a whole model of the same organisation that was read and is ready."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet

from accounts.models import Organisation
from assay.errors import BadInput
from assay.intake.adapter_files import CONFIG, OVER
from models_registry.models import IntakeState, ModelVersion

__all__ = ["bases_of", "held_base", "refuse_odd_pair"]


def bases_of(organisation: Organisation) -> QuerySet[Any]:
    """Versions that an adapter can be over, newest first."""
    rows: QuerySet[Any] = ModelVersion.objects.of(organisation).filter(
        source=ModelVersion.Source.ARTEFACT, state=IntakeState.READY, format__in=OVER, base=None
    )
    return rows.order_by("-created_at")


def refuse_odd_pair(paths: Collection[str], base: ModelVersion | None) -> None:
    """An adapter needs a base and nothing else has one; what the files really are, the gate says.

    Raises:
        BadInput: which of the two is lacking.
    """
    adapter = any(path.rpartition("/")[2] == CONFIG for path in paths)
    whole = "config.json" in paths
    if base is not None and (whole or not adapter):
        raise BadInput("These files are no adapter (they have no adapter_config.json); leave the base out.")
    if base is None and CONFIG in paths and not whole:
        raise BadInput(
            "These files are an adapter: name its base, the registered version of the whole model that it "
            "changes. Register that model first where it is not here yet."
        )


def held_base(base: ModelVersion, organisation: Organisation) -> ModelVersion:
    """The base, locked so that it stays what it is while an adapter is registered over it.

    Raises:
        BadInput: another organisation's, not ready, an adapter itself, of a format that has no adapters.
    """
    rows = ModelVersion.objects.of(organisation).select_for_update(of=("self",)).select_related("model")
    found: ModelVersion | None = rows.filter(pk=base.pk).first()
    if found is None:
        raise BadInput("The base is not there; name a model version of this organisation.")
    if found.base_id is not None:
        raise BadInput(f"{found} is an adapter itself; name the whole model below it as the base.")
    if found.state != IntakeState.READY:
        state = found.get_state_display().lower()
        raise BadInput(f"{found} is not ready ({state}); an adapter's base is a model that was read.")
    if found.source != ModelVersion.Source.ARTEFACT or found.format not in OVER:
        raise BadInput(
            f"{found} is of the format {found.format}; the base of an adapter is of {' or '.join(OVER)}."
        )
    return found
