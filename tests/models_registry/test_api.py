"""The registry's API: what a program does from upload to version, and what it may not do."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.api_auth import new_token
from accounts.models import Organisation, User
from models_registry.models import ModelVersion, Upload
from models_registry.services import add_predictions_version, create_model, create_system
from tests.conftest import People
from tests.models_registry.stored import loans_csv

API = "/api/v1"
Call = Callable[..., Any]


class Caller:
    """A program with a token."""

    def __init__(
        self, user: User, organisation: Organisation, scopes: tuple[str, ...] = ("read", "write")
    ) -> None:
        _, self._secret = new_token(user, organisation, "test", list(scopes))
        self._client = Client()

    def __call__(self, verb: str, path: str, body: Any = None, kind: str = "", **headers: str) -> Any:
        raw = isinstance(body, bytes)
        return self._client.generic(
            verb,
            f"{API}{path}",
            body if raw else json.dumps(body) if body is not None else b"",
            content_type=kind or ("application/octet-stream" if raw else "application/json"),
            headers={"Authorization": f"Bearer {self._secret}", **headers},
        )

    def upload(self, content: bytes, name: str = "loans.csv", step: int = 4_096) -> str:
        begun = self("POST", "/uploads", {"name": name, "size": len(content)})
        assert begun.status_code == 201, begun.content
        key: str = begun.json()["id"]
        for start in range(0, len(content), step):
            sent = self("PATCH", f"/uploads/{key}?offset={start}", content[start : start + step])
            assert sent.status_code == 200, sent.content
        done = self("POST", f"/uploads/{key}/finish", {"sha256": hashlib.sha256(content).hexdigest()})
        assert done.status_code == 200, done.content
        return key


@pytest.fixture
def engineer(people: People) -> Caller:
    return Caller(people.engineer, people.organisation)


def test_a_program_registers_a_system_its_data_and_predictions(engineer: Caller, people: People) -> None:
    system = engineer("POST", "/systems", {"name": "Loan pre-screen", "owner": people.owner.email}).json()
    assert (system["number"], system["owner"]) == (1, str(people.owner))
    dataset = engineer("POST", f"/systems/{system['id']}/datasets", {"name": "loans"}).json()
    key = engineer.upload(loans_csv(50))
    made = engineer(
        "POST",
        f"/datasets/{dataset['id']}/versions",
        {
            "files": {"test": {"upload": key}},
            "description": {"label": "repaid", "sensitive": ["sex"]},
            "disjoint": True,
        },
    )
    assert made.status_code == 201, made.content
    version = made.json()
    assert (version["state"], version["files"][0]["name"]) == ("waiting", "loans.csv")
    model = engineer("POST", f"/systems/{system['id']}/models", {"name": "scorer"}).json()
    predicted = engineer("POST", f"/models/{model['id']}/predictions", {"scores": "score"}).json()
    assert (predicted["state"], predicted["source"]) == ("ready", "predictions")
    for path in (
        "/systems",
        f"/systems/{system['id']}",
        f"/systems/{system['id']}/models",
        f"/systems/{system['id']}/datasets",
        f"/models/{model['id']}",
        f"/models/{model['id']}/versions",
        f"/model-versions/{predicted['id']}",
        f"/datasets/{dataset['id']}",
        f"/datasets/{dataset['id']}/versions",
        f"/dataset-versions/{version['id']}",
    ):
        answer = engineer("GET", path)
        assert answer.status_code == 200, path
        if path.endswith("s"):
            assert answer.json()["count"] == 1


def test_a_model_version_takes_paths_of_its_own(engineer: Caller, people: People) -> None:
    model = create_model(create_system(people.organisation, "S", by=people.engineer), "m", by=people.engineer)
    key = engineer.upload(b"{}", "anything.json")
    made = engineer(
        "POST", f"/models/{model.pk}/versions", {"files": [{"upload": key, "path": "config.json"}]}
    )
    assert made.status_code == 201
    assert [each["path"] for each in made.json()["files"]] == ["config.json"]
    bad = engineer("POST", f"/models/{model.pk}/versions", {"files": [{"upload": key, "path": "../x"}]})
    assert (bad.status_code, bad.json()["code"]) == (400, "bad_input")


def test_the_same_idempotency_key_makes_one_row(engineer: Caller, people: People) -> None:
    first = engineer("POST", "/systems", {"name": "One"}, **{"Idempotency-Key": "k-1"})
    again = engineer("POST", "/systems", {"name": "One"}, **{"Idempotency-Key": "k-1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    taken = engineer("POST", "/systems", {"name": "One"})
    assert (taken.status_code, taken["Content-Type"]) == (400, "application/problem+json")


def test_a_chunk_is_taken_with_an_idempotency_key_whatever_it_is_called(engineer: Caller) -> None:
    content = bytes(11 * 2**20)  # more than a middleware may read
    key = engineer("POST", "/uploads", {"name": "a.bin", "size": len(content)}).json()["id"]
    for _ in range(2):
        sent = engineer(
            "PATCH",
            f"/uploads/{key}?offset=0",
            content,
            "application/x-www-form-urlencoded",
            **{"Idempotency-Key": "k-1"},
        )
        assert (sent.status_code, sent.json()["received"]) == (200, len(content))


def test_a_lost_connection_is_gone_on_from_what_the_state_says(engineer: Caller) -> None:
    content = loans_csv(50)
    key = engineer("POST", "/uploads", {"name": "a.csv", "size": len(content)}).json()["id"]
    engineer("PUT", f"/uploads/{key}", content[:100], **{"Content-Range": f"bytes 0-99/{len(content)}"})
    told = engineer("PATCH", f"/uploads/{key}?offset=200", content[200:])
    assert (told.status_code, told.json()["received"], told["Upload-Offset"]) == (409, 100, "100")
    assert engineer("POST", f"/uploads/{key}/finish").status_code == 409
    start = engineer("GET", f"/uploads/{key}").json()["received"]
    wrong = engineer("PATCH", f"/uploads/{key}?offset={start}", content[start:], **{"Chunk-SHA256": "0" * 64})
    assert wrong.status_code == 400
    assert engineer("PATCH", f"/uploads/{key}?offset={start}", content[start:]).json()["received"] == len(
        content
    )
    done = engineer("POST", f"/uploads/{key}/finish").json()
    assert done["sha256"] == hashlib.sha256(content).hexdigest()
    assert engineer("GET", f"/uploads/{key}").json()["finished"] is True


def test_a_chunk_holds_any_bytes_whatever_the_client_calls_them(engineer: Caller) -> None:
    content = b"share\n100%00\n\x00"
    key = engineer("POST", "/uploads", {"name": "a.csv", "size": len(content)}).json()["id"]
    form = "application/x-www-form-urlencoded"  # as curl --data-binary says
    sent = engineer("PATCH", f"/uploads/{key}?offset=0", content, kind=form)
    assert (sent.status_code, sent.json().get("received")) == (200, len(content))


def test_a_chunk_says_where_it_begins_and_is_no_larger_than_the_file(engineer: Caller) -> None:
    key = engineer("POST", "/uploads", {"name": "a.csv", "size": 10}).json()["id"]
    assert "offset" in engineer("PATCH", f"/uploads/{key}", b"x").json()["detail"]
    assert engineer("PATCH", f"/uploads/{key}", b"x", **{"Content-Range": "lines 1-2"}).status_code == 400
    large = engineer("PATCH", f"/uploads/{key}?offset=0", bytes(11))
    assert (large.status_code, "announced with 10 bytes" in large.json()["detail"]) == (400, True)


def test_another_organisations_things_are_not_there(engineer: Caller, people: People) -> None:
    outsider = Caller(people.outsider, people.elsewhere)
    colleague = Caller(people.owner, people.organisation)
    system = create_system(people.organisation, "S", by=people.engineer)
    model = create_model(system, "m", by=people.engineer)
    version = add_predictions_version(model, scores="s", by=people.engineer)
    key = engineer.upload(loans_csv(10))
    for verb, path, body in (
        ("GET", f"/systems/{system.pk}", None),
        ("PATCH", f"/systems/{system.pk}", {"name": "mine"}),
        ("POST", f"/systems/{system.pk}/models", {"name": "x"}),
        ("GET", f"/models/{model.pk}", None),
        ("GET", f"/models/{model.pk}/versions", None),
        ("POST", f"/models/{model.pk}/predictions", {"scores": "s"}),
        ("GET", f"/model-versions/{version.pk}", None),
        ("GET", f"/uploads/{key}", None),
        ("PATCH", f"/uploads/{key}?offset=0", b"x"),
        ("POST", f"/uploads/{key}/finish", None),
    ):
        assert outsider(verb, path, body).status_code == 404, (verb, path)
    assert outsider("GET", "/systems").json()["count"] == 0
    assert colleague("GET", f"/uploads/{key}").status_code == 404
    theirs = create_model(create_system(people.elsewhere, "T", by=people.outsider), "t", by=people.outsider)
    stolen = outsider("POST", f"/models/{theirs.pk}/versions", {"files": [{"upload": key}]})
    assert (stolen.status_code, ModelVersion.objects.of(people.elsewhere).count()) == (400, 0)


@pytest.mark.parametrize("role", ["reviewer", "auditor", "operator"])
def test_roles_that_only_read_register_nothing(people: People, role: str) -> None:
    caller = Caller(getattr(people, role), people.organisation)
    assert caller("GET", "/systems").status_code == 200
    assert caller("POST", "/systems", {"name": "x"}).status_code == 403
    assert caller("POST", "/uploads", {"name": "x", "size": 1}).status_code == 403
    assert Upload.objects.of(people.organisation).count() == 0


def test_a_token_without_the_scope_writes_nothing(people: People) -> None:
    caller = Caller(people.engineer, people.organisation, ("read",))
    assert caller("POST", "/systems", {"name": "x"}).status_code == 403
    assert Client().get(f"{API}/systems").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "a\x00b"},
        {"name": "x" * 121},
        {"name": "x", "risk_class": "none"},
        {"name": "x", "purpose": "\ud800"},
        {"name": "x", "owner": "nobody@example.org\x00"},
        {"name": "x", "extra": 1},
    ],
)
def test_bad_input_is_told_and_never_a_crash(engineer: Caller, body: dict[str, Any]) -> None:
    answer = engineer("POST", "/systems", body)
    assert answer.status_code in (400, 422)
    assert answer["Content-Type"] == "application/problem+json"


def test_lists_are_paged_and_search(engineer: Caller, people: People) -> None:
    for name in ("Loans", "Hiring", "Triage"):
        create_system(people.organisation, name, by=people.engineer)
    page = engineer("GET", "/systems?limit=2&offset=1").json()
    assert ([row["name"] for row in page["items"]], page["count"]) == (["Hiring", "Loans"], 3)
    assert [row["name"] for row in engineer("GET", "/systems?search=hir").json()["items"]] == ["Hiring"]
    assert [row["name"] for row in engineer("GET", "/systems?search=S-3").json()["items"]] == ["Triage"]
    assert engineer("GET", "/systems?limit=101").status_code == 422
    assert engineer("GET", f"/systems/{uuid.uuid4()}").status_code == 404
    system = engineer("GET", "/systems?search=hir").json()["items"][0]
    assert engineer("PATCH", f"/systems/{system['id']}", {"archived": True}).json()["archived"] is True
    assert engineer("GET", "/systems").json()["count"] == 2
    assert engineer("GET", "/systems?archived=true").json()["count"] == 1


def test_lists_take_a_fixed_number_of_queries(
    engineer: Caller, people: People, django_assert_num_queries: Any
) -> None:
    system = create_system(people.organisation, "S", by=people.engineer)
    model = create_model(system, "m", by=people.engineer)
    engineer("GET", "/systems")
    for count in (1, 8):
        for each in range(count):
            create_system(people.organisation, f"S {count}.{each}", by=people.engineer)
            add_predictions_version(model, scores="s", by=people.engineer)
        with django_assert_num_queries(4):
            engineer("GET", "/systems")
        with django_assert_num_queries(6):
            engineer("GET", f"/models/{model.pk}/versions")
