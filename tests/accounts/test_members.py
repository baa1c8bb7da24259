"""Roles change, members leave, and an owner always stays."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client

from accounts.members import change_role, remove_member
from accounts.models import ApiToken, Membership, User
from accounts.services import add_member
from accounts.tokens import make_token
from assay.errors import BadInput
from tests.conftest import People, make_people

AsUser = Callable[[User], Client]


def _of(people: People, user: User) -> Membership:
    found: Membership = Membership.objects.of(people.organisation).get(user=user)
    return found


def test_the_last_owner_is_neither_demoted_nor_removed(people: People) -> None:
    last = _of(people, people.owner)
    with pytest.raises(BadInput, match="last owner cannot be demoted"):
        change_role(last, "engineer", by=people.owner)
    with pytest.raises(BadInput, match="last owner cannot be removed"):
        remove_member(last, by=people.owner)
    change_role(_of(people, people.engineer), "owner", by=people.owner)
    change_role(last, "engineer", by=people.owner)
    assert _of(people, people.owner).role == "engineer"


def test_two_owners_who_leave_at_once_do_not_both_leave(committed: None) -> None:
    people = make_people()
    second = add_member(people.organisation, people.outsider, "owner", by=people.owner)
    first = _of(people, people.owner)

    def leave(membership: Membership) -> str:
        try:
            remove_member(membership, by=people.owner)
            return "left"
        except BadInput:
            return "kept"
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        ends = sorted(pool.map(leave, [first, second]))
    assert ends == ["kept", "left"]
    assert Membership.objects.of(people.organisation).filter(role="owner").count() == 1


def test_who_is_removed_sees_nothing_and_their_tokens_end(people: People, as_user: AsUser) -> None:
    token, secret = make_token(people.engineer, people.organisation, "ci", ["read"], 5)
    page = f"/o/{people.organisation.slug}/members/{_of(people, people.engineer).pk}/remove/"
    owner = as_user(people.owner)
    assert "no longer see" in owner.get(page).content.decode()
    assert _of(people, people.engineer), "a question is no deed"
    assert owner.post(page).status_code == 302
    assert as_user(people.engineer).get(f"/o/{people.organisation.slug}/").status_code == 404
    assert ApiToken.unscoped.get(pk=token.pk).revoked_at is not None
    assert Client().get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).status_code == 401
    assert owner.post(page).status_code == 404


def test_the_page_refuses_the_last_owner_with_a_sentence(people: People, as_user: AsUser) -> None:
    me = _of(people, people.owner)
    base = f"/o/{people.organisation.slug}/members/{me.pk}"
    answer = as_user(people.owner).post(f"{base}/remove/")
    assert answer.status_code == 409
    assert "make somebody else an owner first" in answer.content.decode()
    answer = as_user(people.owner).post(f"{base}/role/", {"role": "auditor"}, follow=True)
    assert "make somebody else an owner first" in answer.content.decode()
    answer = as_user(people.owner).post(f"{base}/role/", {"role": "emperor"}, follow=True)
    assert "Choose one of the roles" in answer.content.decode()


def test_members_of_another_organisation_cannot_be_touched(people: People, as_user: AsUser) -> None:
    theirs = Membership.objects.of(people.elsewhere).get(user=people.outsider)
    base = f"/o/{people.organisation.slug}/members/{theirs.pk}"
    owner = as_user(people.owner)
    assert owner.post(f"{base}/role/", {"role": "auditor"}).status_code == 404
    assert owner.post(f"{base}/remove/").status_code == 404


@pytest.mark.parametrize("page", ["members/", "settings/"])
def test_pages_of_owners_are_for_owners(people: People, as_user: AsUser, page: str) -> None:
    url = f"/o/{people.organisation.slug}/{page}"
    assert as_user(people.owner).get(url).status_code == 200
    for member in (people.engineer, people.reviewer, people.auditor, people.operator):
        assert as_user(member).get(url).status_code == 403
    assert as_user(people.outsider).get(url).status_code == 404
    assert Client().get(url).headers["Location"].startswith("/accounts/login/")


def test_settings_change_name_and_time_zone(people: People, as_user: AsUser) -> None:
    url = f"/o/{people.organisation.slug}/settings/"
    owner = as_user(people.owner)
    assert owner.post(url, {"name": "North Bank", "timezone": "Mars/Olympus"}).status_code == 422
    owner.post(url, {"name": "North Bank", "timezone": "Asia/Tokyo"})
    people.organisation.refresh_from_db()
    assert (people.organisation.name, people.organisation.timezone) == ("North Bank", "Asia/Tokyo")
    page = owner.get(f"/o/{people.organisation.slug}/trail/").content.decode()
    assert "JST" in page
    assert "Organisation&#x27;s settings changed" in page


def test_superusers_make_organisations_and_nobody_else(people: People, as_user: AsUser) -> None:
    url = "/organisations/new/"
    assert as_user(people.owner).get(url).status_code == 403
    people.owner.is_superuser = people.owner.is_staff = True
    people.owner.save()
    owner = as_user(people.owner)
    assert owner.get(url).status_code == 200
    taken = owner.post(url, {"name": people.organisation.name, "timezone": "UTC"})
    assert taken.status_code == 422
    assert "already" in taken.content.decode()
    made = owner.post(url, {"name": f"Third {people.organisation.slug}", "timezone": "UTC"})
    assert made.status_code == 302
    assert "Third" in owner.get("/").content.decode(), "with several, the way in asks which"
