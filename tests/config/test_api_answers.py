"""Whatever goes wrong below /api/, a program reads it as problem+json."""

from __future__ import annotations

import pytest
from django.test import Client


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/systems/", 404),
        ("PUT", "/api/v1/systems", 405),
        ("OPTIONS", "/api/v1/systems", 405),
    ],
)
def test_addresses_and_methods_that_are_none_are_problems_too(method: str, path: str, status: int) -> None:
    answer = Client().generic(method, path)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert "openapi.json" in told["detail"]


@pytest.mark.django_db
def test_a_host_that_is_not_ours_is_a_problem_too() -> None:
    answer = Client(HTTP_HOST="elsewhere.example").get("/api/v1/systems")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.django_db
def test_pages_stay_pages() -> None:
    assert Client().get("/nothing/")["Content-Type"].startswith("text/html")
