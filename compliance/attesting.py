"""People's word on controls that no measurement covers."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from assay.errors import BadInput
from compliance.frameworks import find_control, find_framework
from compliance.models import Attestation
from compliance.words import checked, today
from models_registry.models import AISystem
from trail.services import record

__all__ = ["attest", "withdraw_attestation"]


def attest(
    system: AISystem,
    framework: str,
    control: str,
    text: str,
    valid_until: dt.date | None = None,
    *,
    by: User,
    applies: bool = True,
) -> Attestation:
    """Say how a control is met (or, with `applies` false, why it does not apply). Follows an earlier word.

    Raises:
        BadInput: there is no such control, the text is missing, or it would have ended already.
    """
    known, asked = find_framework(framework), find_control(framework, control)
    if known is None:
        raise BadInput(f'There is no framework "{framework[:80]}".')
    if asked is None:
        raise BadInput(f'{known.name} has no control "{control[:80]}".')
    if asked.repealed:
        raise BadInput(f"{known.name} {asked.id} was repealed, so there is nothing to attest.")
    text = checked(text, "What you attest")
    if valid_until is not None and valid_until < today(system.organisation):
        raise BadInput("The end of validity lies in the past; an attestation is valid from today on.")
    with transaction.atomic():
        made: Attestation = Attestation.objects.create(
            organisation_id=system.organisation_id, system=system, framework=known.name, control=asked.id,
            applies=applies, text=text, by=by, valid_until=valid_until,
        )  # fmt: skip
        record(
            system.organisation_id,
            "control.attested",
            "system",
            system.pk,
            actor_id=by.pk,
            facts={
                "attestation": str(made.pk),
                "framework": known.name,
                "version": known.version,
                "control": asked.id,
                "applies": applies,
                "valid_until": valid_until.isoformat() if valid_until else None,
            },
            payload={"text": text},
        )
    return made


def withdraw_attestation(attestation: Attestation, by: User) -> None:
    """Take a word back; taking it back again changes nothing."""
    with transaction.atomic():
        changed = Attestation.unscoped.filter(pk=attestation.pk, withdrawn_at=None).update(
            withdrawn_at=timezone.now()
        )
        if changed:
            record(
                attestation.organisation_id,
                "control.attestation_withdrawn",
                "system",
                attestation.system_id,
                actor_id=by.pk,
                facts={"attestation": str(attestation.pk), "control": attestation.control},
            )
