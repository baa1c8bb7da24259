"""Pages of reviews: who sees what, what is escaped, what nobody loses, and how many queries they cost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client
from django.test.utils import override_settings
from django.urls import reverse

from accounts.models import Membership, User
from audits.models import Run
from compliance import services
from compliance.models import Reply, Review
from compliance.stages import change_stage
from tests.compliance.made import (
    answered,
    approved,
    colleague,
    confirmed,
    findings,
    in_review,
    submitted,
    yes_to_all,
)
from tests.conftest import People

AsUser = Callable[[User], Client]
PASSWORD = "a long enough secret"
HOSTILE = "<script>alert(1)</script> #strong[typst] {{ 7|add:7 }}"


def address(people: People, name: str, *args: Any) -> str:
    return reverse(f"compliance:{name}", args=[people.organisation.slug, *args])


def pages(people: People, review: Review) -> dict[str, tuple[str, set[str]]]:
    """Address -> and the roles that may come in."""
    everyone = {"owner", "engineer", "reviewer", "auditor", "operator"}
    version, finding = review.run.subject.model_version_id, findings(review.run)[0].pk
    return {
        "reviews": (address(people, "reviews"), everyone),
        "review": (address(people, "review", review.pk), everyone),
        "submit": (address(people, "submit", review.run_id), {"owner", "engineer"}),
        "reply": (address(people, "reply", finding), {"owner", "engineer"}),
        "stage": (address(people, "stage", version), everyone),
        "controls": (address(people, "controls"), everyone),
        "system": (address(people, "system_controls", review.run.system_id), everyone),
        "attest": (
            address(people, "attest", review.run.system_id) + "?framework=gdpr&control=Art.22(1)",
            {"owner", "engineer"},
        ),
        "take": (address(people, "take", review.pk), {"reviewer"}),
        "give_back": (address(people, "give_back", review.pk), {"reviewer"}),
        "withdraw": (address(people, "withdraw", review.pk), {"owner", "engineer"}),
        "decide": (address(people, "decide", review.pk), {"reviewer"}),
        "revoke": (address(people, "revoke", review.pk), {"owner", "reviewer"}),
    }


@pytest.mark.parametrize("role", ["owner", "engineer", "reviewer", "auditor", "operator"])
def test_each_role_comes_in_where_it_may(people: People, run: Run, as_user: AsUser, role: str) -> None:
    review = approved(people, run)
    client = as_user(getattr(people, role))
    for name, (path, roles) in pages(people, review).items():
        status = client.get(path).status_code
        assert (
            (name, status) in {(name, 200), (name, 302)} if role in roles else (name, status) == (name, 403)
        )


def test_outsiders_see_nothing_and_the_signed_out_sign_in(people: People, run: Run, as_user: AsUser) -> None:
    review = approved(people, run)
    outsider = as_user(people.outsider)
    for path, _roles in pages(people, review).values():
        assert outsider.get(path).status_code == 404
        assert outsider.post(path).status_code == 404
        answer = Client().get(path)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/accounts/login/")
        own = path.replace(people.organisation.slug, people.elsewhere.slug, 1)
        if str(review.pk) in own:
            assert outsider.get(own).status_code in (403, 404)


def test_everything_typed_is_shown_escaped(people: People, run: Run, as_user: AsUser) -> None:
    for finding in services.unanswered(run):
        services.reply(finding, run, HOSTILE, HOSTILE, by=people.engineer)
    review = services.submit_review(run, people.engineer, HOSTILE)
    services.take(review, people.reviewer)
    services.decide(review, people.reviewer, "approved", HOSTILE, HOSTILE, checklist=yes_to_all(run))
    version = run.subject.model_version
    change_stage(version, "approved", people.reviewer, HOSTILE)
    services.revoke(review, people.owner, HOSTILE)
    client = as_user(people.engineer)
    for name in ("review", "reviews", "submit", "reply", "stage"):
        shown = client.get(pages(people, review)[name][0]).content.decode()
        assert "<script>alert" not in shown
        assert "<b>of all</b>" not in shown
        assert "{{ 7" in shown or HOSTILE[:8] not in shown
    assert "&lt;script&gt;alert(1)" in client.get(pages(people, review)["review"][0]).content.decode()


def can_sign(person: User) -> User:
    User.objects.filter(pk=person.pk).update(password=make_password(PASSWORD, hasher="md5"))
    person.refresh_from_db()
    return person


DECISION = {
    "outcome": "approved",
    "reason": "Good enough for a pilot.",
    "conditions": "Audit again in June.",
    "valid_until": "2100-06-30",
    "done": ["purpose", "data"],
}


@pytest.fixture(autouse=True)
def fast_passwords() -> Any:
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


def form_of(client: Client, path: str) -> dict[str, Any]:
    """The hidden fields of the page's form."""
    page = client.get(path)
    return {
        "revision": page.context["form"].initial.get("revision", page.context["form"].data.get("revision")),
        "typed_by": page.context["typed_by"],
    }


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
    assert "What you had typed is back" in page.content.decode()
    typed = page.context["form"].data
    assert {name: typed.get(name) for name in ("outcome", "reason", "conditions", "valid_until")} == {
        name: DECISION[name] for name in ("outcome", "reason", "conditions", "valid_until")
    }
    assert page.context["form"].ticked == {"purpose", "data"}
    hidden = {"revision": typed["revision"], "typed_by": page.context["typed_by"]}
    done = client.post(decide, {**DECISION, **hidden})
    assert (done.status_code, done["Location"]) == (302, desk)
    review.refresh_from_db()
    assert (review.state, review.valid_until) == ("approved", dt.date(2100, 6, 30))
    assert "What you had typed" not in client.get(desk).content.decode()


def test_who_is_signed_out_while_typing_finds_everything_after_signing_in(
    people: People, run: Run, as_user: AsUser
) -> None:
    review = in_review(people, run)
    person = can_sign(people.reviewer)
    client = as_user(person)
    desk, decide = address(people, "review", review.pk), address(people, "decide", review.pk)
    hidden = form_of(client, desk)
    client.session.flush()
    sent = client.post(decide, {**DECISION, **hidden})
    assert unquote(sent["Location"]) == f"/accounts/login/?next={decide}"
    signed_in = client.post(sent["Location"], {"login": person.email, "password": PASSWORD})
    assert signed_in["Location"] == decide
    page = client.get(decide, follow=True)
    shown = page.content.decode()
    assert "Good enough for a pilot." in shown
    assert "Audit again in June." in shown
    assert page.context["form"].ticked == {"purpose", "data"}
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
    first = client.get(path + ("?framework=gdpr&control=Art.22(1)" if form == "attest" else ""))
    client.session.flush()
    typed = {
        "reason": "Typed words", "text": "Typed words", "message": "Typed words", "after": "retired",
        "framework": "GDPR", "control": "Art.22(1)", "typed_by": first.context["typed_by"],
    }  # fmt: skip
    sent = client.post(path, typed)
    client.post(sent["Location"], {"login": person.email, "password": PASSWORD})
    assert "Typed words" in client.get(path).content.decode()


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


def test_submitting_asks_for_the_replies_that_are_lacking_and_takes_them(
    people: People, run: Run, as_user: AsUser
) -> None:
    client = as_user(people.engineer)
    path = address(people, "submit", run.pk)
    lacking = list(services.unanswered(run))
    assert f"{len(lacking)} findings need your reply first" in client.get(path).content.decode()
    form = {"purpose_stage": "deployed", "message": "Please."}
    wrong = client.post(path, {**form, f"f{lacking[0].number}-text": "Known."})
    assert wrong.status_code == 422
    assert "Known." in wrong.content.decode()
    assert not Reply.objects.of(people.organisation).exists()
    replies = {f"f{finding.number}-text": "Known." for finding in lacking}
    done = client.post(path, {**form, **replies})
    review = Review.objects.of(people.organisation).get()
    assert done["Location"] == address(people, "review", review.pk)
    assert Reply.objects.of(people.organisation).count() == len(lacking)
    again = client.post(path, {**form, **replies})
    assert again["Location"] == done["Location"]
    assert Review.objects.of(people.organisation).count() == 1


def test_a_requester_sees_what_is_waited_for_and_withdraws(people: People, run: Run, as_user: AsUser) -> None:
    review = submitted(people, run)
    client = as_user(people.engineer)
    desk = address(people, "review", review.pk)
    assert "had no part in it has to take it" in client.get(desk).content.decode()
    client.post(address(people, "withdraw", review.pk))
    client.post(address(people, "withdraw", review.pk))
    assert "Withdrawn" in client.get(desk).content.decode()


def test_a_repaired_version_is_shown_before_and_after(people: People, repaired: Run, as_user: AsUser) -> None:
    review = submitted(people, repaired)
    shown = as_user(people.reviewer).get(address(people, "review", review.pk)).content.decode()
    assert "Before and after" in shown
    assert "Let through" in shown
    assert "Nothing that became worse matters" not in shown


def test_the_stage_page_moves_a_version_and_warns_when_the_approval_is_gone(
    people: People, run: Run, as_user: AsUser
) -> None:
    review = approved(people, run)
    client = as_user(people.reviewer)
    path = address(people, "stage", run.subject.model_version_id)
    for before, after in (("candidate", "approved"), ("approved", "deployed")):
        assert client.post(path, {"after": after, "expected": before, "former": "retire"}).status_code == 302
    assert client.post(path, {"after": "retired", "expected": "approved"}).status_code == 409
    assert "without an approval" not in client.get(path).content.decode()
    services.revoke(review, people.owner, "Wrong.")
    assert "Deployed without an approval that holds" in client.get(path).content.decode()
    assert (
        "Deployed without an approval that holds" in client.get(address(people, "reviews")).content.decode()
    )
    assert as_user(people.engineer).post(path, {"after": "retired"}).status_code == 403


def test_revoking_is_asked_once_and_kept(people: People, run: Run, as_user: AsUser) -> None:
    review = approved(people, run)
    client = as_user(people.owner)
    path = address(people, "revoke", review.pk)
    assert client.post(path, {"reason": " "}).status_code == 422
    client.post(path, {"reason": "Wrong data."})
    review.refresh_from_db()
    assert review.revoked_reason == "Wrong data."
    assert client.post(path, {"reason": "Again."}).status_code == 302


@pytest.mark.parametrize("name", ["reviews", "review", "submit", "reply", "stage", "controls", "system"])
def test_pages_cost_a_fixed_number_of_queries(
    people: People, run: Run, repaired: Run, as_user: AsUser, name: str,
    django_assert_max_num_queries: Any,
) -> None:  # fmt: skip
    review = submitted(people, run)
    path = pages(people, review)[name][0]
    if name == "submit":
        path = address(people, "submit", repaired.pk)
    client = as_user(people.engineer)
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(
        connection,
    ) as first:
        assert client.get(path).status_code == 200
    for number in range(3):
        Review.objects.create(
            organisation=people.organisation, number=50 + number, run=run, requested_by=people.engineer,
            snapshot_digest=run.snapshot_digest, state="rejected", reviewer=people.reviewer,
            decided_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        )  # fmt: skip
        for finding in findings(run):
            services.reply(finding, run, "More.", by=people.engineer)
    with CaptureQueriesContext(connection) as then:
        client.get(path)
    assert len(then) <= len(first) <= 24


def test_the_list_says_who_waits_and_what_is_stale(people: People, run: Run, as_user: AsUser) -> None:
    client = as_user(people.reviewer)
    path = address(people, "reviews")
    assert "Nothing waits for a decision" in client.get(path).content.decode()
    review = approved(people, run)
    Review.objects.of(people.organisation).update(lapses_on=dt.date(2020, 1, 1))
    assert "It could hold until 1 January 2020." in client.get(f"{path}?show=decided").content.decode()
    services.submit_review(answered(run, people.engineer), people.engineer)
    assert "1 review waits for a decision" in client.get(path).content.decode()
    assert review.number == 1
