"""Remedies through the API: the portal's rules, typed answers, errors as problem+json."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.test import Client

from accounts.api_auth import new_token
from accounts.models import User
from tests.conftest import People
from tests.remediations.made import answered, drafted
from tests.remediations.test_pages import begun
from tests.sample import policy_version

ROOT = "/api/v1"


def call(user: User, people: People, method: str, path: str, body: Any = None, scopes: Any = None) -> Any:
    organisation = people.elsewhere if user == people.outsider else people.organisation
    _, secret = new_token(user, organisation, "test", scopes or ["read", "write"])
    more = {"data": json.dumps(body), "content_type": "application/json"} if body is not None else {}
    return getattr(Client(), method)(ROOT + path, **more, headers={"authorization": f"Bearer {secret}"})


def test_a_remedy_is_chosen_begun_followed_and_stopped(people: People) -> None:
    baseline = drafted(people)
    choices = call(people.auditor, people, "get", f"/audits/{baseline.pk}/remedies", scopes=["read"]).json()
    assert [one["available"] for one in choices] == [True] * 4
    assert "epochs" in choices[0]["params_schema"]["properties"]
    body = {"remedy": "training.fine_tune", "params": {"epochs": 2}, "key": str(uuid.uuid4())}
    answers = [call(people.engineer, people, "post", f"/audits/{baseline.pk}/remedies", body) for _ in "ab"]
    assert [a.status_code for a in answers] == [201, 201], answers[0].content
    made = answers[0].json()
    assert (made["id"], answers[1].json()["id"], made["state"]) == (body["key"], body["key"], "waiting")
    assert (made["progress"], made["doing"], made["gate"]) == (0.0, "waiting for a worker", None)
    path = f"/remedies/{made['id']}"
    assert call(people.reviewer, people, "get", path).json() == made
    assert call(people.engineer, people, "post", f"{path}/cancel").json()["state"] == "cancelled"
    assert call(people.engineer, people, "post", f"{path}/cancel").status_code == 409


def test_the_gates_answer_is_told(people: People) -> None:
    remedy = answered(begun(people), exit_code=1)
    found = call(people.auditor, people, "get", f"/remedies/{remedy.pk}", scopes=["read"]).json()
    assert found["gate"] == {"exit_code": 1, "sentence": "Let through: Accuracy.", "reasons": ["Accuracy"]}
    assert (found["candidate"], found["run"]) == (str(remedy.candidate_id), str(remedy.run_id))
    listed = call(people.auditor, people, "get", "/remedies?limit=1", scopes=["read"]).json()
    assert (listed["total"], listed["items"][0]["id"]) == (1, str(remedy.pk))


def test_who_may_not_is_told_and_outsiders_find_nothing(people: People) -> None:
    remedy = begun(people)
    body = {"remedy": "training.fine_tune"}
    for method, path, sent in (
        ("post", f"/audits/{remedy.baseline_id}/remedies", body),
        ("post", f"/remedies/{remedy.pk}/cancel", None),
    ):
        assert call(people.reviewer, people, method, path, sent).status_code == 403
        assert call(people.engineer, people, method, path, sent, scopes=["read"]).status_code == 403
        assert call(people.outsider, people, method, path, sent).status_code == 404
    for path in (f"/audits/{remedy.baseline_id}/remedies", f"/remedies/{remedy.pk}"):
        assert call(people.outsider, people, "get", path).status_code == 404
        assert Client().get(ROOT + path).status_code == 401
    assert call(people.outsider, people, "get", "/remedies").json() == {"total": 0, "items": []}


def test_what_cannot_be_is_a_problem_with_one_sentence(people: People) -> None:
    path = f"/audits/{drafted(people).pk}/remedies"
    for body, status, sentence in (
        ({"remedy": "nothing"}, 400, 'no remedy "nothing"'),
        ({"remedy": "training.fine_tune", "params": {"epochs": 0}}, 400, "epochs"),
        ({"remedy": "training.fine_tune", "seed": -1}, 422, "seed"),
        ({"remedy": "training.fine_tune", "finding": str(uuid.uuid4())}, 404, "no such thing"),
        ({"remedy": "training.fine_tune", "more": 1}, 422, "more"),
    ):
        answer = call(people.engineer, people, "post", path, body)
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
        assert sentence in answer.json()["detail"]


def test_where_sensitive_columns_are_refused_is_read_and_set(people: People) -> None:
    policy = str(policy_version(people).policy_id)
    said = {"everywhere": True, "policies": [policy]}
    assert call(people.reviewer, people, "put", "/remedies/rules", said).status_code == 403
    assert call(people.engineer, people, "put", "/remedies/rules", said).json() == said
    assert call(people.auditor, people, "get", "/remedies/rules", scopes=["read"]).json() == said
    gone = {"everywhere": False, "policies": []}
    assert call(people.outsider, people, "get", "/remedies/rules").json() == gone
    assert call(people.outsider, people, "put", "/remedies/rules", said).status_code == 404
    assert call(people.engineer, people, "put", "/remedies/rules", gone).json() == gone
