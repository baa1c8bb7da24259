"""Getting a subject read: a model version and a dataset version, together, once."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from assay.errors import BadInput
from jobs.services import submit
from models_registry.models import DatasetVersion, IntakeState, ModelVersion, Subject
from models_registry.session import queue_of, subject_key

__all__ = ["read_subject"]


def read_subject(
    model: ModelVersion, data: DatasetVersion, by: User | None, *, priority: int = 10
) -> Subject:
    """The subject of the two versions; submits the job that reads it where that was not done (or failed).

    Raises:
        BadInput: the versions belong to different systems.
    """
    if model.model.system_id != data.dataset.system_id:
        raise BadInput(f"{model} and {data} belong to different systems; choose data of the same system.")
    with transaction.atomic():
        subject, made = Subject.unscoped.get_or_create(
            organisation=model.organisation, model_version=model, dataset_version=data
        )
        if made or subject.state in (IntakeState.FAILED, IntakeState.REFUSED):
            subject.state, subject.refusal = IntakeState.WAITING, ""
            subject.job = submit(
                "subject",
                model.organisation,
                subject.pk,
                subject_key=subject_key(subject),
                queue=queue_of(model),
                priority=priority,
                by=by,
            )
            subject.save()
    return subject
