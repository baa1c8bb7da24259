"""Signing in: by address and password, with a second factor where one is set up, locked after failures."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from tests.conftest import People

AsUser = Callable[[User], Client]
PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    cache.clear()


def _code(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def _with_password(user: User) -> User:
    user.set_password(PASSWORD)
    user.save()
    return user


def _sign_in(client: Client, user: User, password: str = PASSWORD, then: str = "") -> Any:
    data = {"login": user.email, "password": password, **({"next": then} if then else {})}
    return client.post("/accounts/login/", data)


def test_the_page_asks_for_address_and_password(db: None) -> None:
    page = Client().get("/accounts/login/").content.decode()
    assert "E-mail address" in page
    assert "username" not in page.lower()
    assert 'aria-describedby="id_password_helptext"' not in page
    assert "Ask whoever runs this installation" in page, "there is no mail, so no link that mails"


def test_a_wrong_password_is_told_beside_the_form(people: People) -> None:
    answer = _sign_in(Client(), _with_password(people.engineer), "wrong-wrong-wrong")
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert people.engineer.email in answer.content.decode()


def test_ten_failures_lock_the_address_for_a_while(people: People) -> None:
    _with_password(people.engineer)
    client = Client()
    answers = [_sign_in(client, people.engineer, f"wrong-{i}-wrong") for i in range(10)]
    assert answers[8].status_code == 200
    assert answers[9].status_code == 429
    assert "Too many attempts" in answers[9].content.decode()
    assert _sign_in(client, people.engineer).status_code == 429, "the right password is locked, too"
    people.engineer.email = people.engineer.email.upper()
    assert _sign_in(Client(), people.engineer).status_code == 429, "in whatever case"
    assert _sign_in(Client(), _with_password(people.reviewer)).status_code == 302


def test_a_second_factor_is_set_up_asked_for_and_switched_off(people: People) -> None:
    _with_password(people.reviewer)
    client = Client()
    _sign_in(client, people.reviewer)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/").content.decode()
    assert "data:image/svg+xml" in page
    secret = re.search(r'<code class="secret">(\w+)</code>', page)
    assert secret
    assert client.post("/accounts/2fa/totp/activate/", {"code": "000000"}).status_code == 200
    done = client.post("/accounts/2fa/totp/activate/", {"code": _code(secret[1])}, follow=True)
    assert "Recovery codes" in done.content.decode()
    codes = client.get("/accounts/2fa/recovery-codes/").content.decode()
    recovery = re.search(r'<pre class="secret" id="codes">(\w+)', codes)
    assert recovery

    fresh = Client()
    answer = _sign_in(fresh, people.reviewer, then=f"/o/{people.organisation.slug}/")
    assert answer.headers["Location"].startswith("/accounts/2fa/authenticate/")
    assert fresh.get(f"/o/{people.organisation.slug}/").status_code == 302, "half signed in is not in"
    assert "Second factor" in fresh.get("/accounts/2fa/authenticate/").content.decode()
    answer = fresh.post("/accounts/2fa/authenticate/", {"code": recovery[1]})
    assert answer.headers["Location"] == f"/o/{people.organisation.slug}/"

    off = client.post("/accounts/2fa/totp/deactivate/")
    assert off.status_code == 302
    assert not Authenticator.objects.filter(user=people.reviewer).exists()


def test_what_concerns_signing_in_asks_again_who_you_are(people: People, as_user: AsUser) -> None:
    client = as_user(_with_password(people.engineer))
    answer = client.get("/accounts/2fa/totp/activate/")
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    assert "Confirm that it is you" in client.get(answer.headers["Location"]).content.decode()


def test_the_password_is_changed_with_the_old_one(people: People) -> None:
    client = Client()
    _sign_in(client, _with_password(people.engineer))
    new = {"oldpassword": PASSWORD, "password1": "another-fine-phrase", "password2": "another-fine-phrase"}
    wrong = client.post("/accounts/password/change/", {**new, "oldpassword": "no"})
    assert wrong.status_code == 200
    assert 'aria-invalid="true"' in wrong.content.decode()
    assert client.post("/accounts/password/change/", new).headers["Location"] == "/you/"
    people.engineer.refresh_from_db()
    assert people.engineer.check_password("another-fine-phrase")


def test_signing_out_is_a_post(people: People, as_user: AsUser) -> None:
    client = as_user(people.engineer)
    assert "Sign out?" in client.get("/accounts/logout/").content.decode()
    assert client.get(f"/o/{people.organisation.slug}/").status_code == 200
    client.post("/accounts/logout/")
    assert client.get(f"/o/{people.organisation.slug}/").status_code == 302


def test_only_the_pages_that_are_used_are_reachable(db: None) -> None:
    for page in ("email/", "confirm-email/", "login/code/confirm/", "social/connections/"):
        assert Client().get(f"/accounts/{page}").status_code == 404
    assert Client().get("/accounts/password/reset/").status_code == 200
