"""A forgotten password where the mail server is away."""

from __future__ import annotations

import logging
import socket

import pytest
from django.test import Client

from tests.conftest import People


@pytest.fixture
def mail_server_away(settings: object) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings.ENV = settings.ENV.model_copy(update={"email_url": f"smtp://127.0.0.1:{port}"})  # type: ignore[attr-defined]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"  # type: ignore[attr-defined]
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port  # type: ignore[attr-defined]


def test_it_says_that_mail_cannot_be_sent_and_nothing_about_the_address(
    people: People, mail_server_away: None, caplog: pytest.LogCaptureFixture
) -> None:
    pages = []
    for address in (people.engineer.email, "nobody@example.org"):
        caplog.clear()
        answer = Client(headers={"host": "127.0.0.1"}).post("/accounts/password/reset/", {"email": address})
        assert answer.status_code == 503
        page = answer.content.decode()
        assert "Mail cannot be sent at the moment" in page
        pages.append(page.split("<main")[1].split("</main>")[0].replace(address, "ADDRESS"))
        logged = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert len([record for record in logged if "Mail cannot be sent" in record.getMessage()]) == 1
        assert not any(record.exc_info for record in logged)
    assert len({_without_token(page) for page in pages}) == 1


def _without_token(page: str) -> str:
    return page.split('name="csrfmiddlewaretoken"')[0] + page.split('name="email"')[1]
