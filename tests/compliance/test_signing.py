"""Deciding on the desk: who signs confirms who they are, and nothing that was typed is lost."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client

from accounts.models import Membership
from audits.models import Run
from compliance import services
from portal.kept import typed_by
from tests.compliance.desk import (
    DECISION,
    PASSWORD,
    AsUser,
    address,
    can_sign,
    form_of,
    pages,
)
from tests.compliance.made import (
    approved,
    colleague,
    confirmed,
    findings,
    in_review,
    submitted,
)
from tests.conftest import People

FILLED_IN = "What you typed is filled in again"


def filled_in(html: str) -> bool:
    """Whether the page has DECISION in its form, and says why."""
    checked = set(re.findall(r'value="([a-z]+)"[^>]* checked', html))
    said = (FILLED_IN, str(DECISION["reason"]), str(DECISION["conditions"]), 'value="2100-06-30"')
    return all(words in html for words in said) and checked == {"approved", "purpose", "data"}


def test_a_reviewer_confirms_who_they_are_then_signs_what_they_typed(
    people: People, run: Run, as_user: AsUser
) -> None:
    review = in_review(people, run)
    client = as_user(can_sign(people.reviewer))
    desk, decide = address(people, "review", review.pk), address(people, "decide", review.pk)
    asked = client.post(decide, {**DECISION, **form_of(client, desk)})
    assert asked.status_code == 302
    assert asked["Location"].startswith("/accounts/reauthenticate/?next=")
    review.refresh_from_db()
    assert review.state == "in_review"
    back = client.post(asked["Location"], {"password": PASSWORD})
    assert back["Location"] == desk
    page = client.get(desk)
    assert filled_in(page.content.decode())
    done = client.post(decide, {**DECISION, **form_of(client, desk)})
    assert (done.status_code, done["Location"]) == (302, desk)
    review.refresh_from_db()
    assert (review.state, review.valid_until) == ("approved", dt.date(2100, 6, 30))
    assert FILLED_IN not in client.get(desk).content.decode()


@pytest.mark.parametrize("referer", [True, False])
def test_who_is_signed_out_while_typing_finds_everything_after_signing_in(
    people: People, run: Run, as_user: AsUser, referer: bool
) -> None:
    review = in_review(people, run)
    person = can_sign(people.reviewer)
    client = as_user(person)
    desk, decide = address(people, "review", review.pk), address(people, "decide", review.pk)
    hidden = form_of(client, desk)
    client.session.flush()
    # a browser that tells where it comes from, and one that does not
    told = {"Referer": f"http://testserver{desk}"} if referer else {}
    sent = client.post(decide, {**DECISION, **hidden}, headers=told)
    there = desk if referer else decide
    assert unquote(sent["Location"]) == f"/accounts/login/?next={there}"
    signed_in = client.post(sent["Location"], {"login": person.email, "password": PASSWORD})
    assert signed_in["Location"] == there
    assert filled_in(client.get(there, follow=True).content.decode())
    review.refresh_from_db()
    assert review.state == "in_review"


def test_what_one_person_typed_is_shown_to_nobody_else(people: People, run: Run, as_user: AsUser) -> None:
    review = in_review(people, run)
    client = as_user(people.reviewer)
    desk, decide = address(people, "review", review.pk), address(people, "decide", review.pk)
    hidden = form_of(client, desk)
    client.session.flush()
    client.post(decide, {**DECISION, **hidden})
    other = colleague(people, "reviewer", "other")
    services.take(review, other, over=True)
    client.force_login(other, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert "Good enough for a pilot." not in client.get(desk).content.decode()
    client.post(decide, {**DECISION, "typed_by": "forged"})
    assert "Good enough for a pilot." not in Client().get(desk, follow=True).content.decode()


@pytest.mark.parametrize("form", ["submit", "reply", "stage", "revoke", "attest"])
def test_no_form_loses_what_was_typed_when_the_session_ended(
    people: People, run: Run, as_user: AsUser, form: str
) -> None:
    person = can_sign(people.owner)
    client = as_user(person)
    if form in ("stage", "revoke"):
        path = pages(people, approved(people, run))[form][0]
    elif form == "submit":
        path = address(people, "submit", run.pk)
    elif form == "reply":
        path = address(people, "reply", findings(run)[0].pk)
    else:
        path = address(people, "attest", run.system_id)
    page = path + ("?framework=gdpr&control=Art.22(1)" if form == "attest" else "")
    client.get(page)
    client.session.flush()
    typed = {
        "reason": "Typed words", "text": "Typed words", "message": "Typed words", "after": "retired",
        "framework": "GDPR", "control": "Art.22(1)", "typed_by": typed_by(person),
    }  # fmt: skip
    sent = client.post(path, typed, headers={"Referer": f"http://testserver{page}"})
    client.post(sent["Location"], {"login": person.email, "password": PASSWORD})
    assert "Typed words" in client.get(page).content.decode()


def test_the_second_of_two_reviewers_is_told_and_keeps_what_they_typed(
    people: People, run: Run, as_user: AsUser
) -> None:
    review = in_review(people, run)
    client = confirmed(as_user(can_sign(people.reviewer)), people.reviewer)
    hidden = form_of(client, address(people, "review", review.pk))
    second = colleague(people, "reviewer", "second")
    services.take(review, second, over=True)
    answer = client.post(address(people, "decide", review.pk), {**DECISION, **hidden})
    shown = answer.content.decode()
    assert answer.status_code == 409
    assert "Second took Review" in shown
    assert "Good enough for a pilot." in shown


def test_an_older_window_is_told_and_can_sign_again(people: People, run: Run, as_user: AsUser) -> None:
    review = in_review(people, run)
    client = confirmed(as_user(can_sign(people.reviewer)), people.reviewer)
    hidden = form_of(client, address(people, "review", review.pk))
    services.give_back(review, people.reviewer)
    services.take(review, people.reviewer)
    decide = address(people, "decide", review.pk)
    answer = client.post(decide, {**DECISION, **hidden})
    assert answer.status_code == 409
    again = {"revision": answer.context["form"].data["revision"], "typed_by": hidden["typed_by"]}
    assert client.post(decide, {**DECISION, **again}).status_code == 302


def test_a_wrong_form_says_so_at_the_field_and_keeps_the_rest(
    people: People, run: Run, as_user: AsUser
) -> None:
    review = in_review(people, run)
    client = confirmed(as_user(can_sign(people.reviewer)), people.reviewer)
    desk, decide = address(people, "review", review.pk), address(people, "decide", review.pk)
    hidden = form_of(client, desk)
    wrong = client.post(decide, {**DECISION, "outcome": "", "valid_until": "soon", **hidden})
    shown = wrong.content.decode()
    assert wrong.status_code == 422
    assert "Choose a decision." in shown
    assert "Enter a valid date." in shown
    assert "Good enough for a pilot." in shown
    open_entry = client.post(decide, {**DECISION, "conditions": "", **hidden})
    assert "under which conditions you approve" in open_entry.content.decode()


def test_the_requester_is_never_the_reviewer_on_the_page(people: People, run: Run, as_user: AsUser) -> None:
    review = submitted(people, run)
    Membership.objects.of(people.organisation).filter(user=people.engineer).update(role="reviewer")
    client = confirmed(as_user(can_sign(people.engineer)), people.engineer)
    desk = client.get(address(people, "review", review.pk)).content.decode()
    assert "never decides on it" in desk
    assert "Take this review" not in desk
    client.post(address(people, "take", review.pk))
    answer = client.post(address(people, "decide", review.pk), {**DECISION, "revision": 0})
    assert answer.status_code == 422
    review.refresh_from_db()
    assert (review.state, review.reviewer) == ("submitted", None)


def test_signers_need_a_second_factor_where_the_setting_says_so(
    people: People, run: Run, as_user: AsUser, settings: Any
) -> None:
    settings.ENV = settings.ENV.model_copy(update={"mfa": "signers"})
    review = in_review(people, run)
    client = confirmed(as_user(can_sign(people.reviewer)), people.reviewer)
    desk, decide = address(people, "review", review.pk), address(people, "decide", review.pk)
    hidden = form_of(client, desk)
    refused = client.post(decide, {**DECISION, **hidden})
    assert "needs a second factor" in refused.content.decode()
    assert "Good enough for a pilot." in refused.content.decode()
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

    TOTP.activate(people.reviewer, generate_totp_secret())
    asked = client.post(decide, {**DECISION, **hidden})
    assert asked["Location"].startswith("/accounts/2fa/reauthenticate/?next=")
    confirmed(client, people.reviewer, "mfa")
    assert client.post(decide, {**DECISION, **hidden})["Location"] == desk
    review.refresh_from_db()
    assert review.state == "approved"


def test_a_password_alone_does_not_sign_where_a_second_factor_is_asked_for(
    people: People, run: Run, settings: Any
) -> None:
    from assay.errors import BadInput
    from compliance.proof import Proof

    settings.ENV = settings.ENV.model_copy(update={"mfa": "signers"})
    review = in_review(people, run)
    for proof in (None, Proof("password", 0.0), Proof("token", 0.0)):
        with pytest.raises(BadInput, match="second factor"):
            services.decide(review, people.reviewer, "rejected", "No.", proof=proof)
    assert services.decide(review, people.reviewer, "rejected", "No.", proof=Proof("mfa", 0.0))
