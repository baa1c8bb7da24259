"""Members: their roles, and their leaving. An organisation is never left without an owner."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.models import ApiToken, Membership, Organisation, Role, User
from assay.errors import BadInput
from trail.services import record

__all__ = ["change_role", "remove_member"]


def change_role(membership: Membership, role: str, *, by: User) -> None:
    """Give a member another role.

    Raises:
        BadInput: there is no such role, or nobody would be left as owner.
    """
    if role not in Role.values:
        raise BadInput(f'There is no role "{role}"; roles are {", ".join(Role.values)}.')
    with transaction.atomic():
        held = _locked(membership)
        if held is None or held.role == role:
            return
        if held.role == Role.OWNER:
            _keep_an_owner(held, "demoted")
        before, held.role = held.role, role
        held.save(update_fields=["role"])
        record(
            held.organisation_id,
            "member.role_changed",
            "user",
            held.user_id,
            actor_id=by.pk,
            facts={"before": before, "after": role},
        )


def remove_member(membership: Membership, *, by: User) -> None:
    """End a membership; the person's tokens for this organisation stop working.

    Raises:
        BadInput: nobody would be left as owner.
    """
    with transaction.atomic():
        held = _locked(membership)
        if held is None:
            return
        if held.role == Role.OWNER:
            _keep_an_owner(held, "removed")
        ApiToken.objects.of(held.organisation_id).filter(user_id=held.user_id, revoked_at=None).update(
            revoked_at=timezone.now()
        )
        record(
            held.organisation_id,
            "member.removed",
            "user",
            held.user_id,
            actor_id=by.pk,
            facts={"role": held.role},
            payload={"name": membership.user.name, "email": membership.user.email},
        )
        held.delete()


def _locked(membership: Membership) -> Membership | None:
    """The row as it is now; whoever changes members of the organisation waits."""
    Organisation.objects.select_for_update().get(pk=membership.organisation_id)
    return Membership.unscoped.filter(pk=membership.pk).first()


def _keep_an_owner(held: Membership, what: str) -> None:
    owners = Membership.objects.of(held.organisation_id).filter(role=Role.OWNER).exclude(pk=held.pk)
    if not owners.exists():
        raise BadInput(f"The last owner cannot be {what}: make somebody else an owner first.")
