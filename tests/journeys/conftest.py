"""A served installation with a worker and a real Chromium; skipped by name where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from tests import factory
from tests.browser import browser, chromium, served, sign_in
from tests.conftest import People, make_people

PASSWORD = "correct-horse-battery"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core from npm, installed once into .cache."""
    given = os.environ.get("ASSAY_AXE")
    if given:
        return given
    folder = ROOT / ".cache" / "axe"
    found = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not found.exists():
        if shutil.which("npm") is None:
            pytest.skip("axe-core comes from npm, which is not installed here")
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund", "axe-core@4.10.3"],
            cwd=folder,
            check=True,
        )
    return str(found)


def sign_in_by_form(page: Any, user: User) -> None:
    """As a person does: address, password, Enter."""
    page.get_by_label("E-mail address").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    page.wait_for_url(lambda url: "/accounts/login/" not in url)


@pytest.fixture
def staff(committed: None) -> People:
    """People who can sign in with PASSWORD."""
    people = make_people()
    for user in people:
        if isinstance(user, User):
            user.set_password(PASSWORD)
            user.save()
    return people


class Desk:
    """A browser at a served installation."""

    def __init__(self, chrome: Any, address: str) -> None:
        self._chrome, self.address = chrome, address
        self.complaints: list[str] = []

    def page(self, user: User | None, *, width: int = 1280, dark: bool = False) -> Any:
        """A fresh page of a signed-in person; console errors are kept as complaints."""
        context = self._chrome.new_context(
            base_url=self.address,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        context.set_default_timeout(30_000)
        if user is not None:
            sign_in(context, self.address, user)
        page = context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        return page

    def _heard(self, message: Any) -> None:
        # the server's own answer to a bad request is no fault of the page
        if message.type == "error" and "status of 4" not in message.text:
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")


@pytest.fixture
def desk(committed: None) -> Iterator[Desk]:
    """A browser and a server."""
    if chromium() is None:
        pytest.skip("Chromium is not installed here (Debian: apt-get install chromium)")
    with served() as address, browser() as chrome:
        yield Desk(chrome, address)


@pytest.fixture
def worker(committed: None, fresh_children: None) -> Iterator[None]:
    """A worker beside the test."""
    with factory.working():
        yield
