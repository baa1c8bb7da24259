"""Adding frozen versions of models and datasets, and having them read.

Longer than other files: what freezes a version stands in one place, whichever way the version came.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Max

from accounts.models import Organisation, User
from accounts.sent_before import UsedBefore, refuse_other_content
from assay.canonical import canonical_json
from assay.contracts import Lineage, ModelSignature
from assay.datasets.odd_characters import refuse_odd_characters
from assay.errors import AssayError, BadInput
from jobs.services import submit
from models_registry.bases import held_base, refuse_odd_pair
from models_registry.description import JOINED, DataDescription
from models_registry.models import (
    Dataset,
    DatasetFile,
    DatasetVersion,
    IntakeState,
    Model,
    ModelVersion,
    StoredFile,
    VersionFile,
)
from models_registry.names import checked_name, checked_paths, checked_text, file_name
from models_registry.signals import version_changed
from trail.services import record

__all__ = [
    "DATASET_INTAKE",
    "HUB_IMPORT",
    "MODEL_INTAKE",
    "add_dataset_version",
    "add_described_version",
    "add_model_version",
    "add_predictions_version",
    "dataset_digest",
    "made_before",
    "next_model_version",
    "predictions_digest",
    "read_again",
    "submit_reading",
]

MODEL_INTAKE, DATASET_INTAKE, HUB_IMPORT = "model_intake", "dataset_intake", "hub_import"
_Row = TypeVar("_Row", bound=Any)


def add_model_version(
    model: Model,
    files: Mapping[str, StoredFile],
    *,
    by: User,
    label: str = "",
    notes: str = "",
    parent: ModelVersion | None = None,
    lineage: Lineage | Mapping[str, Any] | None = None,
    signature: ModelSignature | None = None,
    base: ModelVersion | None = None,
    key: uuid.UUID | None = None,
    read: bool = True,
) -> ModelVersion:
    """Freeze files as the model's next version and submit the job that reads them.

    Args:
        files: relative path in the model's folder -> stored file; one .json is an XGBoost model.
        parent: the version that it was made from, of any model of the same system.
        lineage: how, where a remedy made it.
        signature: in place of what the files say of themselves.
        base: for an adapter, the whole model that it changes.
        key: made by the form; the same form sent twice makes one version.
        read: False where a job of the caller's has read the files already and sets what it found.

    Raises:
        BadInput: odd paths, files or a parent of others, an archived system; an adapter without a base, or
            over one that is no whole, ready model.
    """
    organisation = model.organisation
    sent = {
        "model_id": model.pk,
        "label": _label(label),
        "notes": checked_text(notes, "the version"),
        "parent_id": parent.pk if parent is not None else None,
        "base_id": base.pk if base is not None else None,
    }
    if (before := made_before(ModelVersion, organisation, by, key, **sent)) is not None:
        return _of_files(before, files)
    checked_paths(files)
    refuse_odd_pair(files, base)
    _refuse_strangers(organisation, files.values())
    if parent is not None and parent.model.system_id != model.system_id:
        raise BadInput(f"{parent} belongs to another system and cannot be the parent of this version.")
    said = _lineage(lineage)
    given = signature.model_dump(mode="json") if signature is not None else None
    refuse_odd_characters(given, "the signature")
    values = {"notes": sent["notes"], "parent": parent, "lineage": said}
    values["said_signature"] = given
    listed = [{"path": path, "sha256": files[path].sha256} for path in sorted(files)]
    with transaction.atomic():
        if base is not None:
            values["base"] = base = held_base(base, organisation)
        version = next_model_version(model, by, label, key, **values)
        if version is None:
            return _of_files(_other(ModelVersion, organisation, by, key, **sent), files)
        _hold(files.values())
        VersionFile.objects.bulk_create(
            VersionFile(version=version, file=stored, path=path) for path, stored in files.items()
        )
        record(
            organisation.pk,
            "model_version.registered",
            "model_version",
            version.pk,
            actor_id=by.pk,
            facts={
                "model": str(model.pk),
                "number": version.number,
                "files": len(files),
                "files_sha256": _sha256(listed),
                "parent": str(parent.pk) if parent else None,
                "base": {"version": str(base.pk), "sha256": base.sha256} if base else None,
                "remedy": said["remedy"] if said else None,
            },
            payload={"model": model.name, "label": version.label},
        )
        if read:
            submit_reading(version, by)
    return version


def add_predictions_version(
    model: Model,
    *,
    predictions: str = "",
    scores: str = "",
    threshold: float | None = None,
    by: User,
    label: str = "",
    notes: str = "",
    key: uuid.UUID | None = None,
) -> ModelVersion:
    """A version that is columns of predictions in the test data; ready at once, there is nothing to read.

    Raises:
        BadInput: neither column is named; a threshold without scores; an archived system.
    """
    organisation = model.organisation
    columns = {
        what: checked_name(column, f"column of {what}", 200) if column.strip() else ""
        for what, column in (("predictions", predictions), ("scores", scores))
    }
    if not any(columns.values()):
        raise BadInput("Name the column of predicted classes, of scores, or both.")
    if threshold is not None and (not columns["scores"] or not abs(threshold) < 1e12):
        raise BadInput("A threshold is a plain number and goes with a column of scores.")
    values = {"notes": checked_text(notes, "the version"), "threshold": threshold, **columns}
    sent = {"model_id": model.pk, "label": _label(label), **values}
    if (before := made_before(ModelVersion, organisation, by, key, **sent)) is not None:
        return before
    with transaction.atomic():
        version = next_model_version(
            model,
            by,
            label,
            key,
            source=ModelVersion.Source.PREDICTIONS,
            format="predictions",
            sha256=predictions_digest(columns["predictions"], columns["scores"], threshold),
            state=IntakeState.READY,
            **values,
        )
        if version is None:
            return _other(ModelVersion, organisation, by, key, **sent)
        record(
            organisation.pk,
            "model_version.registered",
            "model_version",
            version.pk,
            actor_id=by.pk,
            facts={"model": str(model.pk), "number": version.number, "sha256": version.sha256},
            payload={"model": model.name, "label": version.label},
        )
        version_changed.send(ModelVersion, version=version)
    return version


def predictions_digest(predictions: str, scores: str, threshold: float | None) -> str:
    """What a version that is columns of predictions is known by."""
    columns = {"predictions": predictions, "scores": scores}
    return _sha256({"schema": "assay.predictions/1", **columns, "threshold": threshold})


def dataset_digest(files: Mapping[str, str], description: Mapping[str, Any]) -> str:
    """What a dataset version is known by: row role -> sha256, and what is said of the columns."""
    return _sha256({"schema": "assay.dataset/1", "files": dict(files), "description": description})


def add_described_version(
    model: Model,
    *,
    by: User,
    label: str,
    key: uuid.UUID | None,
    facts: Mapping[str, Any] | None = None,
    words: Mapping[str, Any] | None = None,
    **values: Any,
) -> ModelVersion:
    """A version whose files a job fetches, or which it asks, by its description (`values`).

    Args:
        facts, words: what else the trail keeps of it, for good and erasable.
    """
    organisation = model.organisation
    sent = {"model_id": model.pk, "label": _label(label), **values}
    if (before := made_before(ModelVersion, organisation, by, key, **sent)) is not None:
        return before
    with transaction.atomic():
        version = next_model_version(model, by, label, key, **values)
        if version is None:
            return _other(ModelVersion, organisation, by, key, **sent)
        record(
            organisation.pk,
            "model_version.registered",
            "model_version",
            version.pk,
            actor_id=by.pk,
            facts={"model": str(model.pk), "number": version.number, **(facts or {})},
            payload={"model": model.name, "label": version.label, **(words or {})},
        )
        submit_reading(version, by)
    return version


def add_dataset_version(
    dataset: Dataset,
    files: Mapping[str, tuple[str, StoredFile]],
    description: DataDescription,
    *,
    by: User,
    origin: str = "",
    licence: str = "",
    consent_basis: str = "",
    period: str = "",
    disjoint: bool = False,
    label: str = "",
    key: uuid.UUID | None = None,
) -> DatasetVersion:
    """Freeze files by row role as the dataset's next version and submit the job that reads them.

    Args:
        files: role (test, training, tuning, asked, attributes, predictions) -> (name, stored file).
        disjoint: `by` attests that no test row was used to train or choose a model.

    Raises:
        BadInput: no test and no training file, an unknown role, files of others, an archived system.
    """
    organisation = dataset.organisation
    named = _by_role(files)
    _refuse_joins(named, description)
    _refuse_strangers(organisation, [stored for _name, stored in named.values()])
    said = description.model_dump(mode="json")
    refuse_odd_characters(said, "the columns")
    datasheet = {
        "origin": checked_text(origin, "the origin"),
        "licence": checked_text(licence, "the licence", 200),
        "consent_basis": checked_text(consent_basis, "the consent basis"),
        "period": checked_text(period, "the period", 200),
    }
    digest = dataset_digest({role: stored.sha256 for role, (_name, stored) in named.items()}, said)
    sent = {
        "dataset_id": dataset.pk,
        "label": _label(label),
        "disjoint": disjoint,
        "sha256": digest,
        **datasheet,
    }
    if (before := made_before(DatasetVersion, organisation, by, key, **sent)) is not None:
        return before
    with transaction.atomic():
        locked = Dataset.unscoped.select_for_update().select_related("system").get(pk=dataset.pk)
        _refuse_archived(locked.system.archived_at is not None, locked.system.name)
        version = _made(
            DatasetVersion,
            key,
            organisation=organisation,
            dataset=locked,
            number=(locked.versions.aggregate(top=Max("number"))["top"] or 0) + 1,
            label=_label(label),
            description=said,
            disjoint=disjoint,
            disjoint_by=by if disjoint else None,
            sha256=digest,
            created_by=by,
            **datasheet,
        )
        if version is None:
            return _other(DatasetVersion, organisation, by, key, **sent)
        _hold(stored for _name, stored in named.values())
        DatasetFile.objects.bulk_create(
            DatasetFile(version=version, role=role, name=name, file=stored)
            for role, (name, stored) in named.items()
        )
        record(
            organisation.pk,
            "dataset_version.registered",
            "dataset_version",
            version.pk,
            actor_id=by.pk,
            facts={
                "dataset": str(dataset.pk),
                "number": version.number,
                "sha256": digest,
                "roles": sorted(named),
                "attested_disjoint": disjoint,
            },
            payload={"dataset": dataset.name, "label": version.label, **datasheet},
        )
        submit_reading(version, by)
    return version


def read_again(version: ModelVersion | DatasetVersion, *, by: User) -> None:
    """Submit the reading of a version anew after it failed (never after a refusal: the content stays).

    Raises:
        AssayError: it has not failed, or somebody was faster.
    """
    with transaction.atomic():
        locked = type(version).unscoped.select_for_update().get(pk=version.pk)
        if locked.state != IntakeState.FAILED:
            raise AssayError(f"{locked} has not failed, so it is not read again.", code="conflict")
        locked.state, locked.refusal = IntakeState.WAITING, ""
        locked.save(update_fields=["state", "refusal"])
        kind = "model_version" if isinstance(locked, ModelVersion) else "dataset_version"
        record(locked.organisation_id, f"{kind}.read_again", kind, locked.pk, actor_id=by.pk)
        submit_reading(locked, by)


def made_before(
    kind: type[_Row], organisation: Organisation, by: User, key: uuid.UUID | None, **sent: Any
) -> _Row | None:
    """What the same form made when it was sent before. Raises UsedBefore where it says something else now."""
    if key is None:
        return None
    found: _Row | None = kind.objects.of(organisation).filter(pk=key, created_by=by).first()
    if found is not None:
        refuse_other_content(found, **sent)
    return found


def _other(
    kind: type[_Row], organisation: Organisation, by: User, key: uuid.UUID | None, **sent: Any
) -> _Row:
    """The row that a form sent at the same moment has made; its key may also be somebody else's."""
    found = made_before(kind, organisation, by, key, **sent)
    if found is None:
        raise UsedBefore
    return found


def _of_files(version: ModelVersion, files: Mapping[str, StoredFile]) -> ModelVersion:
    """The version that a form made before. Raises UsedBefore where the form has other files now."""
    there = dict(version.members.filter(origin=VersionFile.Origin.UPLOADED).values_list("path", "file_id"))
    if there != {path: stored.pk for path, stored in files.items()}:
        raise UsedBefore
    return version


def next_model_version(
    model: Model, by: User, label: str, key: uuid.UUID | None, **values: Any
) -> ModelVersion | None:
    """A row under the model's next number, for the caller's transaction to fill; None where `key` is taken.

    Raises:
        BadInput: an archived system, an odd label.
    """
    locked = Model.unscoped.select_for_update().select_related("system", "organisation").get(pk=model.pk)
    _refuse_archived(locked.system.archived_at is not None, locked.system.name)
    return _made(
        ModelVersion,
        key,
        organisation=locked.organisation,
        model=locked,
        number=(locked.versions.aggregate(top=Max("number"))["top"] or 0) + 1,
        label=_label(label),
        created_by=by,
        **values,
    )


def _made(kind: type[_Row], key: uuid.UUID | None, **values: Any) -> _Row | None:
    """A new row; None where its key is taken."""
    try:
        with transaction.atomic():
            made: _Row = kind.objects.create(id=key or uuid.uuid4(), **values)
            return made
    except IntegrityError:
        return None


def submit_reading(version: ModelVersion | DatasetVersion, by: User) -> None:
    """Submit the job that reads the version, or first fetches it."""
    kind = DATASET_INTAKE
    if isinstance(version, ModelVersion):
        fetched = version.hub is None or "commit" in version.hub
        kind = MODEL_INTAKE if fetched else HUB_IMPORT
    version.job = submit(kind, version.organisation, version.pk, priority=10, by=by)
    version.save(update_fields=["job"])


def _by_role(files: Mapping[str, tuple[str, StoredFile]]) -> dict[str, tuple[str, StoredFile]]:
    known = DatasetFile.Role.values
    for role in files:
        if role not in known:
            raise BadInput(f'"{role}" is no row role; there are {", ".join(known)}.')
    if "test" not in files and "training" not in files:
        raise BadInput("Give a file of test rows (for audits) or of training rows (for remedies).")
    if "asked" in files and "test" not in files:
        raise BadInput("Rows for the model stand beside test rows with supplied predictions; give those too.")
    return {role: (PurePosixPath(file_name(name)).name, stored) for role, (name, stored) in files.items()}


def _refuse_joins(named: Mapping[str, Any], said: DataDescription) -> None:
    """Files that are joined by id need one; what is said of files that are not there is a slip."""
    for role in JOINED:
        if role in named and said.identifier is None and said.cluster is None:
            raise BadInput(
                f"The file of {role} is joined by id: name the data's column of ids as identifier (or as "
                "cluster, where several rows belong to one person)."
            )
    if "attributes" not in named and said.attributes_id is not None:
        raise BadInput("A column of ids in the attributes is named, but no file of attributes is given.")
    if "predictions" not in named and (said.predictions_id or said.predictions_time):
        raise BadInput("Columns of a log of predictions are named, but no such file is given.")


def _refuse_strangers(organisation: Organisation, files: Any) -> None:
    if any(stored.organisation_id != organisation.pk for stored in files):
        raise BadInput("One of the files is not there; upload it again.")


def _hold(files: Iterable[StoredFile]) -> None:
    """Keep the bytes of files from being deleted until the transaction ends; deletion takes the same locks.

    Raises:
        BadInput: they were deleted already.
    """
    rows = StoredFile.unscoped.select_for_update().filter(pk__in={stored.pk for stored in files})
    if any(row.removed_at is not None for row in rows.order_by("pk")):
        raise BadInput("The bytes of one of the files were deleted here; upload it again.")


def _refuse_archived(archived: bool, name: str) -> None:
    if archived:
        raise BadInput(f'"{name}" is archived; restore it before you add a version.')


def _label(label: str) -> str:
    return checked_name(label, "label", 60) if label.strip() else ""


def _lineage(lineage: Lineage | Mapping[str, Any] | None) -> dict[str, Any] | None:
    if lineage is None:
        return None
    found = lineage if isinstance(lineage, Lineage) else Lineage.model_validate(dict(lineage))
    return found.model_dump(mode="json")


def _sha256(value: Any) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()
