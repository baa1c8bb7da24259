"""An expired sign-in in the middle of a form loses nothing that was typed, and sends nothing by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

from django.core import signing
from django.test import Client
from django.utils.html import escape

from accounts.models import Invitation, User
from models_registry.models import ModelVersion
from models_registry.signature_checks import checked_signature
from models_registry.signature_views import _TEMPLATE
from portal.kept import typed_by
from portal.refill import refill
from tests.conftest import People
from tests.models_registry.registered import Registered

AsUser = Callable[[User], Client]
PASSWORD = "correct-horse-battery"
WORDS = 'Grüße & <script>"quotes"</script>\nsecond line'


def _expired(by: User, fields: dict[str, object], page: str, action: str) -> tuple[Client, str]:
    """A browser whose session ended posts a form; returns it and where the answer leads."""
    client = Client()
    sent = {**fields, "typed_by": typed_by(by)}
    answer = client.post(action, sent, headers={"Referer": f"http://testserver{page}"})
    assert answer.status_code == 302
    return client, answer.headers["Location"]


def _sign_in(client: Client, user: User, at: str) -> str:
    user.set_password(PASSWORD)
    user.save()
    query = at.split("next=")[1]
    page = client.get(at)
    assert "What you typed is kept" in page.content.decode()
    answer = client.post(
        "/accounts/login/", {"login": user.email, "password": PASSWORD, "next": unquote(query)}
    )
    return str(answer.headers["Location"])


def test_the_form_comes_back_filled_in_and_waits_for_the_person(people: People) -> None:
    page = f"/o/{people.organisation.slug}/members/"
    typed = {"email": "typed@example.org", "role": "auditor"}
    client, at = _expired(people.owner, typed, page, f"{page}invite/")
    assert "members" in at
    back = _sign_in(client, people.owner, at)
    assert back == page
    html = client.get(back).content.decode()
    assert 'value="typed@example.org"' in html
    assert '<option value="auditor" selected>' in html
    assert "What you typed is filled in again" in html
    assert not Invitation.objects.of(people.organisation).exists(), "nothing was sent by itself"
    assert 'value="typed@example.org"' in client.get(back).content.decode(), "a reload keeps it"
    client.post(f"{page}invite/", typed)
    assert Invitation.objects.of(people.organisation).count() == 1
    assert "typed@example.org" not in client.get(page).content.decode().split('id="invite"')[1], "sent: gone"


def test_every_kind_of_control_is_filled_in(people: People) -> None:
    page = f"/o/{people.organisation.slug}/you/tokens/"
    typed = {"name": WORDS, "scopes": ["read", "write"], "days": "17"}
    client, at = _expired(people.engineer, typed, page, page)
    html = client.get(_sign_in(client, people.engineer, at)).content.decode()
    assert escape(WORDS) in html
    assert "<script>&quot;" not in html
    assert html.count(" checked") == 2
    assert 'value="17"' in html


def test_what_one_person_typed_is_shown_to_nobody_else(people: People) -> None:
    """Not to who signs in next in the same browser, nor to who sends another person's form."""
    page = f"/o/{people.organisation.slug}/you/"
    client, at = _expired(people.engineer, {"name": "Typed by Edda"}, page, page)
    assert "Typed by Edda" not in client.get(_sign_in(client, people.owner, at)).content.decode()
    assert "Nothing is kept" in client.get("/kept/").content.decode()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(people.owner, backend="allauth.account.auth_backends.AuthenticationBackend")
    sent = {"name": "Typed by Edda", "typed_by": typed_by(people.engineer)}
    answer = strict.post(page, sent, headers={"Sec-Fetch-Site": "same-origin"})
    assert "What you typed is kept" not in answer.content.decode()
    assert "Typed by Edda" not in strict.get(page).content.decode()
    for forged in ("", "forged", str(people.engineer.pk)):
        anybody = Client()
        anybody.post(page, {"name": "Ada", "typed_by": forged})
        assert "kept" not in anybody.session


def test_forms_of_two_tabs_are_both_kept(people: People) -> None:
    page, other = (f"/o/{people.organisation.slug}/{part}" for part in ("you/", "you/tokens/"))
    client, _ = _expired(people.engineer, {"name": "Ada in one tab"}, page, page)
    sent = {"name": "a token", "days": "19", "typed_by": typed_by(people.engineer)}
    at = client.post(other, sent, headers={"Referer": f"http://testserver{other}"})["Location"]
    assert 'value="19"' in client.get(_sign_in(client, people.engineer, at)).content.decode()
    assert "Ada in one tab" in client.get(page).content.decode()
    client.post(page, {"name": "Ada"})
    assert "Ada in one tab" not in client.get(page).content.decode()
    assert 'value="19"' in client.get(other).content.decode()


def test_every_form_says_whose_it_is(people: People, as_user: AsUser) -> None:
    html = as_user(people.engineer).get(f"/o/{people.organisation.slug}/you/").content.decode()
    marks = re.findall(r'name="typed_by" value="([^"]+)"', html)
    assert len(marks) == html.count('name="csrfmiddlewaretoken"') > 0
    assert {signing.loads(mark, salt="kept") for mark in marks} == {str(people.engineer.pk)}
    assert "typed_by" not in Client().get("/accounts/login/").content.decode()


def test_passwords_and_files_are_not_kept(people: People) -> None:
    page = f"/o/{people.organisation.slug}/you/"
    client, _ = _expired(people.engineer, {"name": "Ada", "password": "hunter2hunter2"}, page, page)
    (kept,) = client.session["kept"]
    assert kept["fields"] == [["name", "Ada"]]
    invited = Client()
    invited.post("/accounts/login/", {"login": "a@example.org", "password": "x"})
    assert "kept" not in invited.session


def test_a_form_that_is_gone_leaves_its_words_to_copy(people: People) -> None:
    page = f"/o/{people.organisation.slug}/you/"
    client, at = _expired(people.engineer, {"reply": WORDS}, page, f"{page}colours/")
    back = _sign_in(client, people.engineer, at)
    answer = client.get(back, follow=True)
    assert answer.redirect_chain[-1][0] == "/kept/"
    assert "&lt;script&gt;" in answer.content.decode()
    assert client.get(page).status_code == 200, "the page itself is not in the way any more"
    client.post("/kept/")
    assert "Nothing is kept" in client.get("/kept/").content.decode()


def test_what_is_very_long_is_not_kept_and_nothing_breaks(people: People) -> None:
    page = f"/o/{people.organisation.slug}/you/"
    client, at = _expired(people.engineer, {"name": "x" * 300_000}, page, page)
    assert "kept" not in client.session
    assert at.startswith("/accounts/login/")


def test_another_site_as_referer_is_not_followed(people: People) -> None:
    page = f"/o/{people.organisation.slug}/you/"
    client = Client()
    sent = {"name": "Ada", "typed_by": typed_by(people.engineer)}
    client.post(page, sent, headers={"Referer": "https://evil.example/o/x/"})
    assert client.session["kept"][0]["page"] == page


def test_htmx_goes_to_the_sign_in_instead_of_swapping_it_in(people: People) -> None:
    page = f"/o/{people.organisation.slug}/"
    answer = Client().get(page, headers={"HX-Request": "true", "HX-Current-URL": page})
    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"].startswith("/accounts/login/?next=")


def test_a_stale_csrf_token_is_explained_and_what_was_typed_kept(people: People) -> None:
    people.engineer.set_password(PASSWORD)
    people.engineer.save()
    page = f"/o/{people.organisation.slug}/you/"
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.engineer, backend="allauth.account.auth_backends.AuthenticationBackend")
    headers = {"Sec-Fetch-Site": "same-origin", "Referer": f"http://testserver{page}"}
    answer = client.post(page, {"name": "Ada Kept", "typed_by": typed_by(people.engineer)}, headers=headers)
    assert answer.status_code == 403
    assert "What you typed is kept" in answer.content.decode()
    assert 'value="Ada Kept"' in client.get(page).content.decode()
    people.engineer.refresh_from_db()
    assert people.engineer.name != "Ada Kept"


def test_words_of_another_site_are_not_kept(people: People, as_user: AsUser) -> None:
    page = f"/o/{people.organisation.slug}/you/"
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.engineer, backend="allauth.account.auth_backends.AuthenticationBackend")
    answer = client.post(
        page,
        {"name": "Evil", "typed_by": typed_by(people.engineer)},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403
    assert "kept" not in client.session


def test_filling_leaves_everything_else_as_it_was() -> None:
    html = (
        "<p>é ü</p>\n<form method='post' action='/other/'><input name='a' value='1'></form>\n"
        '<form method="post">\n<input type="hidden" name="rev" value="7"><input name="a" value="old">'
        '<input type="radio" name="r" value="x" checked><input type="radio" name="r" value="y">'
        '<select name="s"><option value="1" selected>One<option value="2">Two</select>'
        '<textarea name="t">before</textarea><input type="password" name="p" value=""></form><p>after</p>'
    )
    fields = [["a", 'né"w'], ["r", "y"], ["s", "2"], ["t", "</textarea><b>"], ["rev", "6"], ["p", "x"]]
    found = refill(html, "/here/", "/here/", fields)
    assert found is not None
    assert "<form method='post' action='/other/'><input name='a' value='1'></form>" in found
    assert 'name="rev" value="7"' in found
    assert '<input name="a" value="né&quot;w">' in found
    assert '<input type="radio" name="r" value="x">' in found
    assert '<input type="radio" name="r" value="y" checked>' in found
    assert '<option value="1">One<option value="2" selected>Two' in found
    assert '<textarea name="t">\n&lt;/textarea&gt;&lt;b&gt;</textarea>' in found
    assert '<input type="password" name="p" value="">' in found
    assert found.endswith("<p>after</p>")
    assert refill(html, "/here/", "/nowhere/", fields) is None


def test_a_button_whose_sign_in_had_ended_leads_back_to_its_page(people: People) -> None:
    registered = Registered(people)
    page = registered.url("system", registered.system)
    client, at = _expired(people.engineer, {}, page, registered.url("archive_system", registered.system))
    people.engineer.set_password(PASSWORD)
    people.engineer.save()
    sent = {"login": people.engineer.email, "password": PASSWORD, "next": unquote(at.split("next=")[1])}
    back = client.post("/accounts/login/", sent)["Location"]
    assert back == page
    assert client.get(back).status_code == 200
    other = Client().post(page, headers={"Referer": "https://evil.example/o/x/"})
    assert "evil" not in other["Location"]


def test_what_was_typed_comes_back_when_the_sign_in_ended_while_it_was_looked_at(
    people: People, as_user: AsUser
) -> None:
    registered = Registered(people)
    signature = checked_signature(_TEMPLATE).model_dump(mode="json")
    ModelVersion.unscoped.filter(pk=registered.version.pk).update(state="ready", signature=signature)
    page = registered.url("correct_signature", registered.version)
    html = as_user(people.engineer).get(page).content.decode()
    (name, *_) = re.findall(r'<input[^>]*type="text"[^>]*name="([^"]+)"', html)
    client = Client()
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{page}"}
    sent = {name: "Typed by Edda", "typed_by": typed_by(people.engineer)}
    answer = client.post(f"{page}check/", sent, headers=headers)
    at = answer["HX-Redirect"]
    assert answer.status_code == 204
    back = _sign_in(client, people.engineer, at)
    assert back == page
    assert "Typed by Edda" in client.get(back).content.decode()
    stranger = Client()
    headers["HX-Current-URL"] = "https://evil.example/o/x/"
    stranger.post(f"{page}check/", sent, headers=headers)
    assert stranger.session["kept"][0]["action"] == f"{page}check/"
