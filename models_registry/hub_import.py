"""Adding a model by its name on the Hugging Face Hub, where the operator allows it."""

from __future__ import annotations

import uuid

from django.conf import settings

from accounts.models import User
from assay.errors import BadInput
from assay.remote.hub import hub_name
from models_registry.models import Model, ModelVersion
from models_registry.names import checked_text
from models_registry.versions import add_described_version

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
    wish = hub_name(name)._asdict()
    return add_described_version(
        model,
        by=by,
        label=label,
        key=key,
        notes=checked_text(notes, "the version"),
        hub=wish,
        facts={"hub": wish},
    )
