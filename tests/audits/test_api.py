"""The API of audits and policies: the same services as the pages, for programs."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.api_auth import new_token
from accounts.models import User
from audits.models import Run
from audits.planning import evidence_of
from tests import factory
from tests.audits.test_policies import HOUSE
from tests.audits.test_runs_list import many
from tests.conftest import People, make_people


class Api:
    """A program with a token of `user`."""

    def __init__(self, people: People, user: User, scopes: tuple[str, ...] = ("read", "write")) -> None:
        organisation = people.elsewhere if user == people.outsider else people.organisation
        _made, self.token = new_token(user, organisation, "test", list(scopes))
        self._client = Client(headers={"Authorization": f"Bearer {self.token}"})

    def get(self, path: str, status: int = 200) -> Any:
        return self._read(self._client.get(f"/api/v1{path}"), status)

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        return self._read(
            self._client.post(f"/api/v1{path}", body or {}, content_type="application/json"), status
        )

    def patch(self, path: str, body: Any, status: int = 200) -> Any:
        return self._read(self._client.patch(f"/api/v1{path}", body, content_type="application/json"), status)

    def put(self, path: str, body: Any, status: int = 200) -> Any:
        return self._read(self._client.put(f"/api/v1{path}", body, content_type="application/json"), status)

    def delete(self, path: str, status: int = 204) -> Any:
        return self._read(self._client.delete(f"/api/v1{path}"), status)

    def _read(self, answer: Any, status: int) -> Any:
        assert answer.status_code == status, answer.content
        if status >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json"
        return answer.json() if answer.content else None


def versions(people: People) -> dict[str, str]:
    system = factory.system(people, f"System {Run.objects.of(people.organisation).count()}")
    return {
        "model_version": str(factory.predictions_version(system, people.engineer).pk),
        "dataset_version": str(factory.data_version(system, people.engineer).pk),
    }


def test_an_audit_over_the_api(committed: None) -> None:
    people = make_people()
    api = Api(people, people.engineer)
    said = {**versions(people), "policy": "general", "tier": "quick", "start": True, "title": "Nightly"}
    made = api.post("/audits", said, status=201)
    assert (made["state"], made["subject_state"], made["trigger"]) == ("draft", "waiting", "api")
    api.get(f"/audits/{made['id']}/exit-code", status=409)
    api.get(f"/audits/{made['id']}/verdicts", status=400)
    factory.run_jobs()
    run = api.get(f"/audits/{made['id']}")
    assert (run["state"], run["title"]) == ("done", "Nightly")
    document = api.get(f"/audits/{made['id']}/evidence.json")
    assert document["snapshot_digest"] == run["snapshot_digest"]
    assert api.get(f"/audits/{made['id']}/plan")["plan_sha256"] == run["plan_sha256"]
    verdicts = api.get(f"/audits/{made['id']}/verdicts")["items"]
    assert verdicts == document["verdicts"]
    code = api.get(f"/audits/{made['id']}/exit-code")
    failed = any(v["outcome"] == "fail" for v in verdicts)
    assert code["exit_code"] == (1 if failed else 3)
    page = api.get(f"/audits/{made['id']}/measures?limit=3&offset=1&pillar=fairness")
    assert len(page["items"]) == 3 < page["count"]
    assert {m["pillar"] for m in page["items"]} == {"fairness"}
    api.get(f"/audits/{made['id']}/measures?limit=101", status=422)
    api.post(f"/audits/{made['id']}/cancel", status=409)
    api.delete(f"/audits/{made['id']}", status=409)
    assert api.post(f"/audits/{made['id']}/start")["state"] == "done"

    # against it, by the gate
    again = api.post(
        "/audits",
        {
            "model_version": said["model_version"],
            "dataset_version": said["dataset_version"],
            "baseline": made["id"],
            "start": True,
        },
        status=201,
    )
    factory.run_jobs()
    run = Run.objects.of(people.organisation).get(pk=again["id"])
    assert (run.state, run.tier, run.trigger) == ("done", "quick", "api")
    gate = api.get(f"/audits/{made['id']}/gate/{again['id']}")
    change = evidence_of(run).change
    assert change is not None
    assert (gate["exit_code"], gate["sentence"]) == (change.exit_code, change.sentence)
    itself = api.get(f"/audits/{made['id']}/gate/{made['id']}", status=400)
    assert "cannot be compared with itself" in itself["detail"]
    different = {**said, "baseline": made["id"], "tier": "deep"}
    assert "the baseline's" in api.post("/audits", different, status=400)["detail"]


def test_a_draft_is_planned_started_and_started_again_harmlessly(committed: None) -> None:
    people = make_people()
    api = Api(people, people.engineer)
    made = api.post("/audits", {**versions(people), "tier": "quick"}, status=201)
    api.get(f"/audits/{made['id']}/plan", status=400)
    api.post(f"/audits/{made['id']}/start", status=400)
    factory.run_jobs()
    plan = api.get(f"/audits/{made['id']}/plan")
    api.post(f"/audits/{made['id']}/start?plan_sha256={'0' * 64}", status=409)
    for _twice in range(2):
        started = api.post(f"/audits/{made['id']}/start?plan_sha256={plan['plan_sha256']}")
        assert (started["state"], started["plan_sha256"]) == ("running", plan["plan_sha256"])
    assert api.post(f"/audits/{made['id']}/cancel")["state"] == "cancelled"
    assert api.get(f"/audits/{made['id']}/exit-code")["exit_code"] == 3


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"policy": "hirring"}, 400, "no policy"),
        ({"methods": ["fairness.nothing"]}, 400, "fairness"),
        ({"methods": []}, 400, "No method"),
        ({"params": {"robustness.noise": {"rows": 1}}}, 400, "rows"),
        ({"tier": "huge"}, 422, "tier"),
        ({"seed": -1}, 422, "seed"),
        ({"tires": "x"}, 422, "tires"),
        ({"model_version": "00000000-0000-0000-0000-000000000000"}, 404, "no such thing"),
        ({"title": "a\nb"}, 400, "title"),
    ],
)
def test_a_wrong_request_says_what_would_be_right(
    people: People, change: dict[str, Any], status: int, words: str
) -> None:
    answer = Api(people, people.engineer).post("/audits", {**versions(people), **change}, status=status)
    assert words in answer["detail"]
    assert not Run.objects.of(people.organisation).exists()


def test_lists_are_paged_filtered_and_of_one_organisation(people: People) -> None:
    many(people, 30)
    api = Api(people, people.auditor, ("read",))
    page = api.get("/audits?limit=10&offset=5")
    assert (page["count"], [r["number"] for r in page["items"]]) == (30, list(range(25, 15, -1)))
    assert api.get("/audits?state=failed")["count"] == 6
    assert api.get("/audits?q=nothing&system=x")["count"] == 0
    api.get("/audits?limit=0", status=422)
    first = page["items"][0]["id"]
    outsider = Api(people, people.outsider)
    assert outsider.get("/audits")["count"] == 0
    for path in ("", "/plan", "/evidence.json", "/verdicts", "/measures", "/exit-code", f"/gate/{first}"):
        outsider.get(f"/audits/{first}{path}", status=404)
    for path in ("/start", "/cancel"):
        outsider.post(f"/audits/{first}{path}", status=404)
        api.post(f"/audits/{first}{path}", status=403)
    outsider.delete(f"/audits/{first}", status=404)


def test_policies_over_the_api(people: People) -> None:
    api, reader = Api(people, people.engineer), Api(people, people.reviewer)
    made = api.post("/policies", {"toml": HOUSE}, status=201)
    adopted = api.post("/policies/adopt", {"pack": "credit"}, status=201)
    assert api.post("/policies/adopt", {"pack": "credit"}, status=201) == adopted
    listed = reader.get("/policies")
    assert [p["name"] for p in listed["items"]] == ["Consumer credit", "House <b>rules</b>"]
    house = listed["items"][1]
    assert house["newest"]["id"] == made["id"]
    second = {"toml": HOUSE.replace('"1"', '"2"')}
    assert api.post(f"/policies/{house['id']}/versions", second, status=201)["number"] == 2
    full = reader.get(f"/policies/{house['id']}")
    assert ([v["number"] for v in full["versions"]], full["rules"][0]["id"]) == ([2, 1], "accuracy")
    wrong = api.post("/policies", {"toml": "id = \nversion = 1"}, status=400)
    assert (wrong["code"], "line 1" in wrong["detail"]) == ("bad_policy", True)
    reader.post("/policies", {"toml": HOUSE}, status=403)
    Api(people, people.outsider).get(f"/policies/{house['id']}", status=404)


def test_the_description_of_the_api_has_examples(people: People) -> None:
    schema = Api(people, people.auditor).get("/openapi.json")
    for name in ("NewRun", "RunOut", "MeasureOut", "ExitCode", "NewPolicyText", "PackChoice"):
        assert schema["components"]["schemas"][name]["examples"], name
