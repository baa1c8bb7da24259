"""Writes of the registry: systems, models and datasets here; versions and uploads in files of their own."""

from __future__ import annotations

import uuid
from typing import Any, TypedDict, TypeVar, Unpack

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import Membership, Organisation, User
from assay.errors import BadInput
from models_registry.corrections import correct_dataset_version
from models_registry.hub_import import add_hub_version
from models_registry.models import AISystem, Dataset, Model
from models_registry.names import checked_name, checked_text
from models_registry.removal import remove_bytes
from models_registry.signatures import correct_signature
from models_registry.uploads import (
    begin_upload,
    finish_upload,
    finished_files,
    finished_uploads,
    receive,
    sweep_uploads,
)
from models_registry.versions import (
    add_dataset_version,
    add_model_version,
    add_predictions_version,
    made_before,
    read_again,
)
from trail.services import record

__all__ = [
    "SystemWords",
    "add_dataset_version",
    "add_hub_version",
    "add_model_version",
    "add_predictions_version",
    "archive_system",
    "begin_upload",
    "correct_dataset_version",
    "correct_signature",
    "create_dataset",
    "create_model",
    "create_system",
    "edit_system",
    "finish_upload",
    "finished_files",
    "finished_uploads",
    "read_again",
    "receive",
    "remove_bytes",
    "restore_system",
    "sweep_uploads",
]

_Container = TypeVar("_Container", Model, Dataset)


class SystemWords(TypedDict, total=False):
    """What people say of a system besides its name."""

    purpose: str
    owner: User
    affected_people: str
    hazards: str
    act_role: str
    risk_class: str


def create_system(
    organisation: Organisation,
    name: str,
    *,
    by: User,
    key: uuid.UUID | None = None,
    **words: Unpack[SystemWords],
) -> AISystem:
    """Register an AI system under the organisation's next number.

    Args:
        key: made by the form; the same form sent twice makes one system.

    Raises:
        BadInput: the name is taken or odd, the owner is no member, a choice that there is not.
    """
    values = _checked(organisation, {"owner": by, **words})
    name = checked_name(name, "name of the system")
    if (before := made_before(AISystem, organisation, by, key, name=name, **values)) is not None:
        return before
    try:
        with transaction.atomic():
            Organisation.objects.select_for_update().get(pk=organisation.pk)
            top = AISystem.objects.of(organisation).aggregate(top=Max("number"))["top"] or 0
            system: AISystem = AISystem.objects.create(
                id=key or uuid.uuid4(),
                organisation=organisation,
                number=top + 1,
                name=name,
                created_by=by,
                **values,
            )
            _record(system, "system.created", by, {"number": system.number}, {"name": name, **_said(values)})
    except IntegrityError:
        if (before := made_before(AISystem, organisation, by, key, name=name, **values)) is not None:
            return before
        raise BadInput(f'There is a system "{name}" already; choose another name.') from None
    return system


def edit_system(
    system: AISystem, *, by: User, name: str | None = None, **words: Unpack[SystemWords]
) -> AISystem:
    """Change what is said of a system; what is not given stays. Raises BadInput as `create_system`."""
    values = _checked(system.organisation, words)
    if name is not None:
        values["name"] = checked_name(name, "name of the system")
    try:
        with transaction.atomic():
            found = AISystem.unscoped.select_for_update().get(pk=system.pk)
            changed = {key: value for key, value in values.items() if getattr(found, key) != value}
            if not changed:
                return found
            for key, value in changed.items():
                setattr(found, key, value)
            found.save(update_fields=list(changed))
            _record(found, "system.edited", by, {"fields": sorted(changed)}, _said(changed))
    except IntegrityError:
        raise BadInput(f'There is a system "{values["name"]}" already; choose another name.') from None
    return found


def archive_system(system: AISystem, *, by: User) -> AISystem:
    """Take a system out of the lists; nothing is lost and nothing new is registered in it."""
    return _archived(system, by, away=True)


def restore_system(system: AISystem, *, by: User) -> AISystem:
    """Bring an archived system back."""
    return _archived(system, by, away=False)


def create_model(
    system: AISystem, name: str, *, by: User, description: str = "", key: uuid.UUID | None = None
) -> Model:
    """Add a model to a system. Raises BadInput: the name is taken or odd, the system is archived."""
    return _contained(Model, system, name, by, description, key)


def create_dataset(
    system: AISystem, name: str, *, by: User, description: str = "", key: uuid.UUID | None = None
) -> Dataset:
    """Add a dataset to a system. Raises BadInput: the name is taken or odd, the system is archived."""
    return _contained(Dataset, system, name, by, description, key)


def _contained(
    kind: type[_Container], system: AISystem, name: str, by: User, description: str, key: uuid.UUID | None
) -> _Container:
    word = "model" if kind is Model else "dataset"
    name = checked_name(name, f"name of the {word}")
    text = checked_text(description, f"the {word}")
    sent = {"system_id": system.pk, "name": name, "description": text}
    if (before := made_before(kind, system.organisation, by, key, **sent)) is not None:
        return before
    if system.archived_at is not None:
        raise BadInput(f'"{system.name}" is archived; restore it before you add a {word}.')
    try:
        with transaction.atomic():
            made: _Container = kind.objects.create(
                id=key or uuid.uuid4(),
                organisation=system.organisation,
                system=system,
                name=name,
                description=text,
                created_by=by,
            )
            _record(made, f"{word}.created", by, {"system": str(system.pk)}, {"name": name})
    except IntegrityError:
        if (before := made_before(kind, system.organisation, by, key, **sent)) is not None:
            return before
        raise BadInput(f'"{system.name}" has a {word} "{name}" already; choose another name.') from None
    return made


def _archived(system: AISystem, by: User, *, away: bool) -> AISystem:
    with transaction.atomic():
        found = AISystem.unscoped.select_for_update().get(pk=system.pk)
        if (found.archived_at is not None) != away:
            found.archived_at = timezone.now() if away else None
            found.save(update_fields=["archived_at"])
            _record(found, "system.archived" if away else "system.restored", by, {}, {"name": found.name})
    return found


def _checked(organisation: Organisation, words: SystemWords) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, what in (
        ("purpose", "the purpose"),
        ("affected_people", "affected people"),
        ("hazards", "hazards"),
    ):
        if field in words:
            found[field] = checked_text(words[field], what)  # type: ignore[literal-required]
    for field, choices in (("act_role", AISystem.ActRole), ("risk_class", AISystem.RiskClass)):
        if field in words:
            chosen = words[field]  # type: ignore[literal-required]
            if chosen not in choices.values:
                raise BadInput(f'"{chosen}" is no {field}; choose one of {", ".join(choices.values)}.')
            found[field] = chosen
    if "owner" in words:
        owner = words["owner"]
        if not Membership.objects.of(organisation).filter(user=owner).exists():
            raise BadInput("The owner of a system is a member of the organisation; choose one.")
        found["owner"] = owner
    return found


def _said(values: dict[str, Any]) -> dict[str, Any]:
    """Values as words for the trail's erasable payload."""
    return {key: str(value) for key, value in values.items()}


def _record(
    row: AISystem | Model | Dataset, action: str, by: User, facts: dict[str, Any], words: dict[str, Any]
) -> None:
    kind = action.partition(".")[0]
    record(row.organisation_id, action, kind, row.pk, actor_id=by.pk, facts=facts, payload=words)
