"""The only way to an account is an invitation: for one address, one role, seven days, one use."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.invitations import accept, find, invite, open_invitations, withdraw
from accounts.models import Invitation, Membership, User
from assay.errors import AssayError, BadInput
from tests.at_once import at_once
from tests.conftest import People, make_people
from trail.models import TrailEntry

AsUser = Callable[[User], Client]
PASSWORD = "correct-horse-battery"


def _send(people: People, client: Client, email: str = "new@example.org", role: str = "reviewer") -> str:
    """Invite by the page; the link's path, from the page that shows it once."""
    url = f"/o/{people.organisation.slug}/members/"
    answer = client.post(f"{url}invite/", {"email": email, "role": role}, follow=True)
    found = re.search(r"/invited/[\w-]+", answer.content.decode())
    assert found, answer.content.decode()
    assert f"{found[0]}" not in client.get(url).content.decode(), "the link is shown once"
    return f"{found[0]}/"


def test_an_invited_stranger_sets_name_and_password_and_is_a_member(people: People, as_user: AsUser) -> None:
    link = _send(people, as_user(people.owner))
    stranger = Client()
    assert "Join" in stranger.get(link).content.decode()
    weak = stranger.post(link, {"name": "Nia New", "password": "short"})
    assert weak.status_code == 422
    assert "Nia New" in weak.content.decode()
    answer = stranger.post(link, {"name": "Nia New", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0] == f"/o/{people.organisation.slug}/"
    made = User.objects.get(email="new@example.org")
    assert Membership.objects.of(people.organisation).get(user=made).role == "reviewer"
    assert Client().get(link).status_code == 410, "it works once"
    assert Client().post("/accounts/login/", {"login": "NEW@example.org", "password": PASSWORD}).headers[
        "Location"
    ] == ("/")
    actions = TrailEntry.objects.filter(organisation_id=people.organisation.pk).values_list(
        "action", flat=True
    )
    assert {"invitation.sent", "member.added"} <= set(actions)


def test_of_two_invitations_of_one_address_at_once_one_works(committed: None) -> None:
    people = make_people()
    at_once(
        *[
            lambda: invite(people.organisation, "twice@example.org", "reviewer", by=people.owner)
            for _ in range(4)
        ]
    )
    assert open_invitations(people.organisation).filter(email="twice@example.org").count() == 1
    assert Invitation.objects.of(people.organisation).filter(email="twice@example.org").count() == 4


def test_somebody_with_an_account_just_joins(people: People, as_user: AsUser) -> None:
    link = _send(people, as_user(people.owner), people.outsider.email, "auditor")
    assert "Sign in to join" in Client().get(link).content.decode()
    assert Client().post(link, {"name": "X", "password": PASSWORD}).status_code == 200
    outsider = as_user(people.outsider)
    outsider.post(link)
    assert Membership.objects.of(people.organisation).get(user=people.outsider).role == "auditor"


def test_an_invitation_is_for_one_address(people: People, as_user: AsUser) -> None:
    link = _send(people, as_user(people.owner))
    other = as_user(people.outsider)
    assert "this invitation is for" in other.get(link).content.decode()
    other.post(link)
    assert not Membership.objects.of(people.organisation).filter(user=people.outsider).exists()


def test_it_ends_after_seven_days_or_when_it_is_withdrawn_or_made_again(people: People) -> None:
    _, old = invite(people.organisation, "a@example.org", "engineer", by=people.owner)
    _, new = invite(people.organisation, "A@example.org", "engineer", by=people.owner)
    assert find(old) is None
    second = find(new)
    assert second is not None
    assert open_invitations(people.organisation).count() == 1
    withdraw(second, by=people.owner)
    withdraw(second, by=people.owner)
    assert find(new) is None
    with pytest.raises(AssayError, match="no longer"):
        accept(second, name="A", password=PASSWORD)
    third, late = invite(people.organisation, "a@example.org", "engineer", by=people.owner)
    Invitation.unscoped.filter(pk=third.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert find(late) is None
    assert third.expires_at - third.created_at == pytest.approx(timedelta(days=7), abs=timedelta(minutes=1))


def test_a_member_is_not_invited_again(people: People) -> None:
    with pytest.raises(BadInput, match="member already"):
        invite(people.organisation, people.engineer.email.upper(), "owner", by=people.owner)
    with pytest.raises(BadInput, match="no role"):
        invite(people.organisation, "b@example.org", "king", by=people.owner)


def test_where_mail_is_set_up_the_link_is_mailed(
    people: People, as_user: AsUser, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = settings.ENV.model_copy(update={"email_url": "smtp://mail.example.org:25"})  # type: ignore[attr-defined]
    settings.ENV = env  # type: ignore[attr-defined]
    link = _send(people, as_user(people.owner))
    assert link.rstrip("/") in mail.outbox[0].body
    assert mail.outbox[0].to == ["new@example.org"]


def test_only_owners_invite(people: People, as_user: AsUser) -> None:
    url = f"/o/{people.organisation.slug}/members/invite/"
    data = {"email": "x@example.org", "role": "owner"}
    for member in (people.engineer, people.reviewer, people.auditor, people.operator):
        assert as_user(member).post(url, data).status_code == 403
    assert as_user(people.outsider).post(url, data).status_code == 404
    assert Client().post(url, data).status_code == 302
    assert not open_invitations(people.organisation).exists()


def test_nobody_registers_alone(db: None) -> None:
    assert "by invitation" in Client().get("/accounts/signup/").content.decode()
    Client().post("/accounts/signup/", {"email": "me@example.org", "password1": PASSWORD})
    assert not User.objects.filter(email="me@example.org").exists()


def test_markup_in_a_name_is_shown_as_text(people: People, as_user: AsUser) -> None:
    people.engineer.name = "<script>alert(1)</script>"
    people.engineer.save()
    page = as_user(people.owner).get(f"/o/{people.organisation.slug}/members/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
