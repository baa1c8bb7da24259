"""Adding a model by its name on the Hugging Face Hub, where the operator allows it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import transaction

from accounts.models import User
from assay.errors import BadInput
from assay.remote.hub import hub_name
from models_registry.models import Model, ModelVersion
from models_registry.names import checked_text
from models_registry.versions import made_before, next_model_version, submit_reading
from trail.services import record

__all__ = ["add_hub_version"]


def add_hub_version(
    model: Model, name: str, *, by: User, label: str = "", notes: str = "", key: uuid.UUID | None = None
) -> ModelVersion:
    """A version whose files a job fetches: organisation/name, or organisation/name@revision.

    Raises:
        BadInput: the operator does not allow it, an odd name, an archived system.
    """
    if not settings.ENV.hub:
        raise BadInput(
            "Models are not fetched from the Hugging Face Hub here: the operator has not set ASSAY_HUB. "
            "Download the model yourself and upload its folder."
        )
    if (before := made_before(ModelVersion, model.organisation, by, key)) is not None:
        return before
    wish = hub_name(name)
    with transaction.atomic():
        version = next_model_version(
            model, by, label, key, notes=checked_text(notes, "the version"), hub=wish._asdict()
        )
        if version is None:
            raise BadInput("This form was used before; load the page again.")
        record(
            model.organisation_id,
            "model_version.registered",
            "model_version",
            version.pk,
            actor_id=by.pk,
            facts={"model": str(model.pk), "number": version.number, "hub": wish._asdict()},
            payload={"model": model.name, "label": version.label},
        )
        submit_reading(version, by)
    return version
