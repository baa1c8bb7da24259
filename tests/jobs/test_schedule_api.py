"""Schedules through the API: the portal's rules, typed answers, errors as problem+json."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.test import Client

from accounts.api_auth import new_token
from accounts.models import User
from jobs.models import Schedule
from tests.conftest import People
from tests.jobs.test_schedule_pages import make, request_for

ROOT = "/api/v1/schedules"


def call(
    user: User, people: People, method: str, path: str = "", body: Any = None, scopes: Any = None
) -> Any:
    organisation = people.elsewhere if user == people.outsider else people.organisation
    _, secret = new_token(user, organisation, "test", scopes or ["read", "write"])
    more = {"data": json.dumps(body), "content_type": "application/json"} if body is not None else {}
    return getattr(Client(), method)(ROOT + path, **more, headers={"authorization": f"Bearer {secret}"})


def wish(people: People, **change: Any) -> dict[str, Any]:
    asked = {**request_for(people), "policy": None}
    return {"name": "nightly", "cron": "0 3 * * *", "request": asked, **change}


def test_a_schedule_goes_through_its_life(people: People) -> None:
    answer = call(people.engineer, people, "post", body=wish(people))
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["when_in_words"], made["active"], len(made["coming"])) == ("At 03:00 every day", True, 5)
    assert made["coming"][0] == made["next_at"]
    path = f"/{made['id']}"
    assert call(people.auditor, people, "get", path, scopes=["read"]).json() == made
    changed = {key: made[key] for key in ("request", "catch_up")} | {"name": "weekly", "cron": "0 3 * * mon"}
    assert call(people.operator, people, "put", path, changed).json()["name"] == "weekly"
    fired = call(people.operator, people, "post", f"{path}/run", {"seen": 0})
    assert (fired.status_code, fired.json()["state"]) == (201, "started")
    assert call(people.operator, people, "post", f"{path}/run", {"seen": 0}).status_code == 409
    assert call(people.operator, people, "post", f"{path}/pause").json()["coming"] == []
    assert call(people.operator, people, "post", f"{path}/resume").json()["active"]
    listed = call(people.reviewer, people, "get").json()
    assert (listed["total"], [item["name"] for item in listed["items"]]) == (1, ["weekly"])
    assert call(people.operator, people, "delete", path).status_code == 204
    assert not Schedule.objects.of(people.organisation).exists()


def test_who_may_not_is_told_and_outsiders_find_nothing(people: People) -> None:
    schedule = make(people)
    path = f"/{schedule.pk}"
    writes: list[tuple[str, str, Any]] = [
        ("post", "", wish(people)),
        ("put", path, wish(people)),
        ("post", f"{path}/pause", None),
        ("post", f"{path}/resume", None),
        ("post", f"{path}/run", {}),
        ("delete", path, None),
    ]
    for method, place, body in writes:
        assert call(people.reviewer, people, method, place, body).status_code == 403
        assert call(people.engineer, people, method, place, body, scopes=["read"]).status_code == 403
        if place:
            assert call(people.outsider, people, method, place, body).status_code == 404
    assert call(people.outsider, people, "get", path).status_code == 404
    assert call(people.outsider, people, "get").json() == {"total": 0, "items": []}
    assert Client().get(ROOT + path).status_code == 401


def test_what_cannot_be_is_a_problem_with_one_sentence(people: People) -> None:
    for change, status, sentence in (
        ({"cron": "99 * * * *"}, 400, "The minute of"),
        ({"trigger": "nothing"}, 400, 'There is no trigger "nothing"'),
        ({"request": {}}, 400, "model: Field required."),
        ({"request": {"model": str(uuid.uuid4()), "dataset": str(uuid.uuid4())}}, 400, "no such model"),
        ({"when": "never"}, 422, "when"),
        ({"nme": "x"}, 422, "nme"),
    ):
        answer = call(people.engineer, people, "post", body=wish(people, **change))
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
        assert sentence in answer.json()["detail"]
