"""Making organisations, members, and the first administrator."""

from __future__ import annotations

import secrets
from zoneinfo import available_timezones

from django.db import transaction
from django.utils.text import slugify

from accounts.models import Membership, Organisation, Role, User
from accounts.names import trouble_with
from accounts.signals import timezone_changed
from assay.errors import BadInput
from trail.services import record

__all__ = ["add_member", "change_organisation", "create_organisation", "first_administrator"]


def create_organisation(name: str, owner: User, timezone: str = "UTC") -> Organisation:
    """A new organisation with its first owner.

    Raises:
        BadInput: the name leaves nothing for an address, or is taken.
    """
    slug = slugify(name)[:60]
    if not slug:
        raise BadInput(f'"{name}" has no letters or digits to make an address of.')
    if Organisation.objects.filter(slug=slug).exists():
        raise BadInput(f'There is an organisation "{name}" already; choose another name.')
    with transaction.atomic():
        organisation = Organisation.objects.create(name=name, slug=slug, timezone=timezone)
        record(organisation.pk, "organisation.created", "organisation", organisation.pk, actor_id=owner.pk)
        add_member(organisation, owner, Role.OWNER, by=owner)
    return organisation


def change_organisation(organisation: Organisation, name: str, timezone: str, *, by: User) -> None:
    """Rename it, or move it to another time zone; its address stays.

    Raises:
        BadInput: the time zone is none of the IANA names, or nothing can be seen in the name.
    """
    if (trouble := trouble_with(name)) is not None:
        raise BadInput(f"The name {trouble}")
    if timezone not in available_timezones():
        raise BadInput(f'"{timezone}" is no time zone; write an IANA name such as Europe/Berlin.')
    with transaction.atomic():
        held = Organisation.objects.select_for_update().get(pk=organisation.pk)
        before = {"name": held.name, "timezone": held.timezone}
        after = {"name": name, "timezone": timezone}
        if before == after:
            return
        held.name, held.timezone = name, timezone
        held.save(update_fields=["name", "timezone"])
        record(
            held.pk,
            "organisation.changed",
            "organisation",
            held.pk,
            actor_id=by.pk,
            payload={"before": before, "after": after},
        )
        if before["timezone"] != timezone:
            timezone_changed.send(Organisation, organisation=held)


def add_member(organisation: Organisation, user: User, role: str, *, by: User) -> Membership:
    """Give a person a role here."""
    with transaction.atomic():
        made: Membership = Membership.objects.create(organisation=organisation, user=user, role=role)
        record(
            organisation.pk,
            "member.added",
            "user",
            user.pk,
            actor_id=by.pk,
            facts={"role": str(role)},
            payload={"name": user.name, "email": user.email},
        )
    return made


def first_administrator() -> tuple[User, str] | None:
    """On an empty installation: a superuser with a random password (returned this once), and an
    organisation of which they are the owner. None where there is a user already."""
    with transaction.atomic():
        if User.objects.exists():
            return None
        password = secrets.token_urlsafe(12)
        user = User.objects.create_superuser("admin@localhost.local", password, name="Administrator")
        create_organisation("My organisation", user)
    return user, password
