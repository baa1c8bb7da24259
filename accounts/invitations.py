"""Invitations: the only way to an account, and the usual way to a membership.

An invitation is for one address and one role, lasts seven days, and its secret is shown once. Whoever is
invited again gets a new link; the older one stops working.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Invitation, Membership, Organisation, Role, User
from accounts.services import add_member
from assay.errors import AssayError, BadInput
from trail.services import record

__all__ = ["DAYS", "accept", "find", "invite", "open_invitations", "withdraw"]

DAYS = 7


def invite(organisation: Organisation, email: str, role: str, *, by: User) -> tuple[Invitation, str]:
    """Invite an address; its secret is returned this once.

    Raises:
        BadInput: there is no such role, or the address belongs to a member already.
    """
    email = User.objects.normalize_email(email.strip())
    if role not in Role.values:
        raise BadInput(f'There is no role "{role}"; roles are {", ".join(Role.values)}.')
    if Membership.objects.of(organisation).filter(user__email__iexact=email).exists():
        raise BadInput(f"{email} is a member already; change the role in the list of members.")
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        # Two at once for one address would each leave a link that works.
        Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)
        open_invitations(organisation).filter(email__iexact=email).update(withdrawn_at=timezone.now())
        made: Invitation = Invitation.objects.create(
            organisation=organisation,
            email=email,
            role=role,
            token_digest=_digest(secret),
            invited_by=by,
            expires_at=timezone.now() + timedelta(days=DAYS),
        )
        record(
            organisation.pk,
            "invitation.sent",
            "invitation",
            made.pk,
            actor_id=by.pk,
            facts={"role": role},
            payload={"email": email},
        )
    return made, secret


def open_invitations(organisation: Organisation) -> QuerySet[Invitation]:
    """Invitations that can still be accepted."""
    found: QuerySet[Invitation] = Invitation.objects.of(organisation).filter(
        accepted_at=None, withdrawn_at=None, expires_at__gt=timezone.now()
    )
    return found


def find(secret: str) -> Invitation | None:
    """The invitation of a link, while it can be accepted."""
    return (
        Invitation.unscoped.select_related("organisation", "invited_by")
        .filter(
            token_digest=_digest(secret), accepted_at=None, withdrawn_at=None, expires_at__gt=timezone.now()
        )
        .first()
    )


def accept(invitation: Invitation, *, user: User | None = None, name: str = "", password: str = "") -> User:
    """Join, as `user` or as a new person of that name and password.

    Raises:
        BadInput: the invitation is for another address, or an account for it exists already.
        AssayError: (conflict) the invitation was used, withdrawn or ran out in between.
    """
    with transaction.atomic():
        held = Invitation.unscoped.select_for_update().get(pk=invitation.pk)
        if held.accepted_at or held.withdrawn_at or held.expires_at <= timezone.now():
            raise AssayError("This invitation can no longer be accepted; ask for a new one.", code="conflict")
        if user is None:
            if User.objects.filter(email__iexact=held.email).exists():
                raise BadInput(f"There is an account for {held.email} already; sign in to join.")
            user = User.objects.create_user(held.email, password, name=name)
        elif user.email.lower() != held.email.lower():
            raise BadInput(f"This invitation is for {held.email}; you are signed in as {user.email}.")
        held.accepted_at = timezone.now()
        held.save(update_fields=["accepted_at"])
        if not Membership.objects.of(held.organisation_id).filter(user=user).exists():
            add_member(invitation.organisation, user, held.role, by=user)
    return user


def withdraw(invitation: Invitation, *, by: User) -> None:
    """Make its link useless; nothing happens where it was used or withdrawn before."""
    with transaction.atomic():
        changed = Invitation.unscoped.filter(pk=invitation.pk, accepted_at=None, withdrawn_at=None).update(
            withdrawn_at=timezone.now()
        )
        if changed:
            record(
                invitation.organisation_id,
                "invitation.withdrawn",
                "invitation",
                invitation.pk,
                actor_id=by.pk,
                payload={"email": invitation.email},
            )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
