"""A real Chromium on a real server, for journeys and for looking at pages.

The server runs in this process on 127.0.0.1 and a free port, on whatever database Django is connected to.
"""

from __future__ import annotations

import os
import shutil
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application
from django.db import connections

from accounts.models import User

__all__ = ["axe_violations", "browser", "chromium", "press", "served", "sign_in"]

_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


class _Threading(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            connections.close_all()  # PostgreSQL's would outlive the thread


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_args: Any) -> None:
        pass


@contextmanager
def served() -> Iterator[str]:
    """Serve the portal; yields its address."""
    server = _Threading(("127.0.0.1", 0), _Quiet)
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def chromium() -> str | None:
    """Where the browser is, if it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def browser(*, kept_pages: bool = False) -> Iterator[Any]:
    """A headless Chromium with a fresh profile (Playwright's Browser).

    Args:
        kept_pages: keep pages alive for its Back, as people's browsers do and Playwright forbids.
    """
    from playwright.sync_api import sync_playwright

    # Playwright's loop runs in this thread; Django's guard against async use would refuse the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=chromium(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
            ignore_default_args=["--disable-back-forward-cache"] if kept_pages else None,
            env={**os.environ, "HOME": profile},
        )
        yield found
        # While Playwright's loop runs, Django keeps a connection of its own for this thread.
        connections.close_all()
        found.close()


def sign_in(context: Any, address: str, user: User) -> None:
    """Give a browser context the session of a signed-in person."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = _BACKEND
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    context.add_cookies([{"name": "sessionid", "value": session.session_key, "url": address}])


def press(page: Any, button: str) -> None:
    """Click a button that sends its form, and wait for the page that answers (a click alone does not)."""
    with page.expect_navigation():
        page.get_by_role("button", name=button).click()


_EVERYTHING = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def axe_violations(page: Any, axe: str, *only: str) -> list[str]:
    """What axe-core (a file from npm's axe-core) finds against WCAG 2.2 A and AA on the page.

    Args:
        only: rules to run instead of all, such as color-contrast on a page that was checked in other colours.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(Path(axe).read_text(encoding="utf-8"))
    wanted = {"type": "rule", "values": only} if only else {"type": "tag", "values": _EVERYTHING}
    found = page.evaluate("wanted => axe.run({runOnly: wanted, resultTypes: ['violations']})", wanted)
    return [
        f"{v['id']}: {v['help']} ({len(v['nodes'])}): {v['nodes'][0]['html'][:160]}"
        for v in found["violations"]
    ]
