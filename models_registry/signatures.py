"""Correcting a version's signature: what nothing rests on yet is read again; stored files of what was read
with data make a new version."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.sent_before import UsedBefore
from assay.contracts import ModelSignature
from assay.datasets.odd_characters import refuse_odd_characters
from assay.errors import AssayError, BadInput
from models_registry.models import IntakeState, ModelVersion, SignatureCorrection, Subject, VersionFile
from models_registry.signature_changes import signature_changes
from models_registry.versions import next_model_version, submit_reading
from trail.services import record

__all__ = ["correct_signature", "may_be_corrected"]

_SETTLED = (IntakeState.READY, IntakeState.REFUSED, IntakeState.FAILED)


def may_be_corrected(version: ModelVersion) -> bool:
    """Whether the version has files whose signature people can correct now; no signature mends code."""
    code = version.state == IntakeState.REFUSED and (version.gate or {}).get("trust") == "C"
    return version.source == ModelVersion.Source.ARTEFACT and version.state in _SETTLED and not code


def correct_signature(
    version: ModelVersion, said: ModelSignature | None, *, by: User, key: uuid.UUID | None = None
) -> ModelVersion:
    """Have the version read with `said` in place of what its files say.

    Args:
        said: None goes back to what the files say.
        key: made by the form; the same form sent twice makes one new version.

    Returns:
        the version itself, being read again, while no subject and no adapter uses it; otherwise a new one
        from the same stored files.

    Raises:
        BadInput: predictions, an address, nothing is changed, odd characters, deleted bytes, an archived
            system.
        AssayError: the version is being read just now.
    """
    if version.source == ModelVersion.Source.PREDICTIONS:
        raise BadInput(f"{version} is columns of predictions; it has no signature.")
    if version.source == ModelVersion.Source.ENDPOINT:
        raise BadInput(f"{version} is asked by its signature; add the address again with another one.")
    after = said.model_dump(mode="json") if said is not None else None
    refuse_odd_characters(after, "the signature")
    with transaction.atomic():
        locked = (
            ModelVersion.unscoped.select_for_update(of=("self",))
            .select_related("model__system")
            .get(pk=version.pk)
        )
        if locked.state not in _SETTLED:
            raise AssayError(f"{locked} is being read; correct it when that has ended.", code="conflict")
        if locked.model.system.archived_at is not None:
            raise BadInput(f'"{locked.model.system.name}" is archived; restore it first.')
        if after == locked.said_signature or (
            after == locked.signature and locked.state == IntakeState.READY
        ):
            raise BadInput("Nothing is changed: the version has this signature already.")
        if locked.members.filter(file__removed_at__isnull=False).exists():
            raise BadInput(f"The bytes of {locked} were deleted; add its files as a new version.")
        before = locked.signature or locked.said_signature
        corrected = locked
        rested_on = Subject.unscoped.filter(model_version=locked).exists() or locked.adapters.exists()
        if rested_on:
            made = _successor(locked, by, key)
            if made is None:
                return _made_before(locked, by, key, after)
            corrected = made
        corrected.said_signature = after
        corrected.state, corrected.refusal = IntakeState.WAITING, ""
        corrected.save(update_fields=["said_signature", "state", "refusal"])
        SignatureCorrection.objects.create(
            organisation=locked.organisation, version=corrected, before=before, after=after, by=by
        )
        record(
            locked.organisation_id,
            "model_version.signature_corrected",
            "model_version",
            corrected.pk,
            actor_id=by.pk,
            facts={"of": str(locked.pk), "new_version": corrected.pk != locked.pk, "cleared": after is None},
            payload={"changes": _said(before, after)},
        )
        submit_reading(corrected, by)
    return corrected


def _successor(version: ModelVersion, by: User, key: uuid.UUID | None) -> ModelVersion | None:
    """The next version of the same model, of the same stored files; None where the key is taken."""
    made = next_model_version(
        version.model,
        by,
        "",
        key,
        notes=f"As {version.label or version.number}, with a corrected signature.",
        parent=version,
        base=version.base,
        gate=version.gate,
        claims=version.claims,
    )
    if made is None:
        return None
    VersionFile.objects.bulk_create(
        VersionFile(version=made, file_id=each.file_id, path=each.path, origin=each.origin)
        for each in version.members.all()
    )
    record(
        version.organisation_id,
        "model_version.registered",
        "model_version",
        made.pk,
        actor_id=by.pk,
        facts={"model": str(version.model_id), "number": made.number, "parent": str(version.pk)},
        payload={"model": version.model.name, "label": ""},
    )
    return made


def _made_before(version: ModelVersion, by: User, key: uuid.UUID | None, after: Any) -> ModelVersion:
    found: ModelVersion | None = (
        ModelVersion.objects.of(version.organisation_id).filter(pk=key, created_by=by, parent=version).first()
    )
    if found is None or found.said_signature != after:
        raise UsedBefore
    return found


def _said(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[list[str]]:
    return [[each.field, each.before, each.after] for each in signature_changes(before, after)][:100]
