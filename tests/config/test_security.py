"""Headers, cookies and markup: strict content policy on every page, no inline script or style anywhere."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.test import Client

from accounts.models import User
from tests.conftest import People

AsUser = Callable[[User], Client]
_DATA = ("application/json", "application/ld+json")


class _Inline(HTMLParser):
    """Collects what the content policy would refuse."""

    def __init__(self, nonce: str) -> None:
        super().__init__()
        self.nonce, self.found, self.links = nonce, [], set[str]()  # type: ignore[var-annotated]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        inline = tag == "script" and "src" not in given and given.get("type") not in _DATA
        if (inline and given.get("nonce") != self.nonce) or tag == "style":
            self.found.append(f"inline {tag}")
        if tag == "a" and (href := given.get("href") or "").startswith("/"):
            self.links.add(href.split("#")[0].split("?")[0])


def _crawl(client: Client, start: list[str], most: int = 150) -> dict[str, list[str]]:
    """Follow every link from `start`; path -> what is inline on it."""
    seen: set[str] = set()
    queue, found = list(start), {}
    while queue and len(seen) < most:
        path = queue.pop(0)
        if path in seen or path.startswith("/static/"):
            continue
        seen.add(path)
        answer = client.get(path, follow=True)
        assert answer.status_code < 500, path
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        if not answer.headers.get("Content-Type", "").startswith("text/html"):
            continue
        nonce = re.search(r"'nonce-([^']+)'", policy)
        page = _Inline(nonce[1] if nonce else "-")
        page.feed(answer.content.decode())
        found[path] = page.found
        queue += sorted(page.links - seen)
    return found


def test_no_page_has_inline_script_or_style(people: People, as_user: AsUser) -> None:
    people.owner.is_superuser = people.owner.is_staff = True
    people.owner.save()
    found = _crawl(as_user(people.owner), ["/", "/admin/", "/accounts/2fa/", "/organisations/new/", "/kept/"])
    assert len(found) > 15
    assert any(path.startswith("/admin/") for path in found)
    assert {path: inline for path, inline in found.items() if inline} == {}


def test_public_pages_have_none_either(db: None) -> None:
    start = ["/accounts/login/", "/accounts/password/reset/", "/accounts/signup/", "/invited/x/", "/nowhere/"]
    found = _crawl(Client(), start)
    assert {path: inline for path, inline in found.items() if inline} == {}


def test_the_script_of_htmx_is_ours_and_evaluates_nothing(people: People, as_user: AsUser) -> None:
    page = as_user(people.owner).get(f"/o/{people.organisation.slug}/").content.decode()
    assert '"allowEval": false' in page
    assert all(src.startswith("/static/") for src in re.findall(r'<script[^>]* src="([^"]+)"', page))


def test_frames_types_and_referrers_are_closed(people: People, as_user: AsUser) -> None:
    answer = as_user(people.owner).get(f"/o/{people.organisation.slug}/")
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    for cookie in answer.cookies.values():
        assert cookie["samesite"] == "Lax"


_COOKIES = """
import django
django.setup()
from django.conf import settings as s
print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SESSION_COOKIE_HTTPONLY, s.SECURE_HSTS_SECONDS > 0,
      s.SECURE_SSL_REDIRECT, s.DEBUG)
"""


def test_behind_https_cookies_are_secure(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", _COOKIES],
        env={
            "ASSAY_HOME": str(tmp_path),
            "ASSAY_URL": "https://assay.example.org",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PATH": os.environ["PATH"],
        },
        capture_output=True,
        text=True,
    )
    assert answer.stdout.split() == ["True", "True", "True", "True", "True", "False"], answer.stderr


def test_the_administration_is_for_superusers_by_the_same_sign_in(people: People, as_user: AsUser) -> None:
    assert Client().get("/admin/", follow=True).redirect_chain[-1][0].startswith("/accounts/login/")
    people.owner.is_staff = True
    people.owner.save()
    assert as_user(people.owner).get("/admin/", follow=True).status_code == 403
    assert as_user(people.outsider).get("/admin/", follow=True).status_code == 403
    people.owner.is_superuser = True
    people.owner.save()
    assert as_user(people.owner).get("/admin/").status_code == 200


def test_where_signers_need_a_second_factor_so_does_the_administration(
    people: People, as_user: AsUser, settings: object
) -> None:
    people.owner.is_staff = people.owner.is_superuser = True
    people.owner.save()
    settings.ENV = settings.ENV.model_copy(update={"mfa": "signers"})  # type: ignore[attr-defined]
    assert as_user(people.owner).get("/admin/", follow=True).redirect_chain[-1][0] == "/accounts/2fa/"


@pytest.mark.parametrize("path", ["/accounts/login/?next=%00", "/api/v1/members?limit=%00"])
def test_nul_characters_are_refused(db: None, path: str) -> None:
    assert Client().get(path).status_code == 400


def test_nul_characters_in_bodies_are_refused(people: People, as_user: AsUser) -> None:
    me = as_user(people.engineer)
    sent = me.post("/api/v1/members", '{"a": "\\u0000"}', content_type="application/json")
    assert sent.status_code == 400
    assert sent.headers["Content-Type"] == "application/problem+json"
    for kind in ("application/x-www-form-urlencoded", "text/plain"):
        assert me.post("/api/v1/systems", '{"name": "a\\u0000b"}', content_type=kind).status_code == 400
    url = f"/o/{people.organisation.slug}/you/"
    assert me.post(url, "name=a%00b", content_type="application/x-www-form-urlencoded").status_code == 400
    assert me.post(url, "name=100%2500", content_type="application/x-www-form-urlencoded").status_code == 302


class _Broken(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        raise ConnectionResetError(errno.ECONNRESET, "gone")


def test_a_body_that_broke_off_is_the_senders_error(db: None) -> None:
    kind = "application/x-www-form-urlencoded"
    given = {"wsgi.input": _Broken(), "CONTENT_LENGTH": "100", "CONTENT_TYPE": kind}
    answer = Client().generic("POST", "/accounts/login/", b"x" * 100, kind, **given)
    assert answer.status_code == 400
    assert b"broke off" in answer.content
