"""The API of reports: the same rows and services as the pages, by token."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.api_auth import new_token
from accounts.models import Organisation, User
from tests import factory
from tests.conftest import make_people
from tests.reports.builders import pdf_of, shelf

pytestmark = pytest.mark.usefixtures("committed")


def caller(user: User, organisation: Organisation, *scopes: str) -> Client:
    _token, secret = new_token(user, organisation, "test", list(scopes))
    return Client(headers={"Authorization": f"Bearer {secret}"})


def get(client: Client, address: str, **query: Any) -> Any:
    return client.get(f"/api/v1{address}", query)


def test_reports_are_listed_newest_first_in_pages() -> None:
    made = shelf()
    client = caller(made.people.auditor, made.people.organisation, "read")
    body = get(client, "/reports", run=made.run.pk).json()
    assert body["count"] == len(body["items"]) >= 3
    stands = {item["id"]: item["standing"] for item in body["items"]}
    assert stands[str(made.countersigned.pk)] == "valid"
    assert stands[str(made.certified.pk)] == "superseded"
    page = get(client, "/reports", limit=1, offset=1).json()
    assert [len(page["items"]), page["count"] >= 3] == [1, True]
    for wrong in ({"limit": 101}, {"limit": 0}, {"offset": -1}, {"run": "x"}):
        assert get(client, "/reports", **wrong).status_code == 422


def test_one_report_and_its_pdf() -> None:
    made = shelf()
    client = caller(made.people.auditor, made.people.organisation, "read")
    body = get(client, f"/reports/{made.countersigned.pk}").json()
    assert body["kind"] == "countersigned"
    assert body["verification_url"].endswith(f"/verify/{made.countersigned.verification_code}/")
    answer = get(client, f"/reports/{made.countersigned.pk}/report.pdf")
    assert answer.content == pdf_of(made.countersigned)
    assert answer["Content-Disposition"].startswith("attachment")


def test_a_draft_is_asked_for_once() -> None:
    people = make_people()
    run = factory.measured_run(people)
    client = caller(people.engineer, people.organisation, "read", "write")
    made = [client.post(f"/api/v1/audits/{run.pk}/report") for _ in range(2)]
    assert [answer.status_code for answer in made] == [202, 202]
    assert made[0].json()["id"] == made[1].json()["id"]
    assert get(client, f"/reports/{made[0].json()['id']}/report.pdf").status_code == 404
    factory.run_jobs()
    assert get(client, f"/reports/{made[0].json()['id']}").json()["state"] == "ready"


def test_scopes_roles_and_organisations_are_kept_apart() -> None:
    made = shelf()
    people = made.people
    draft = f"/api/v1/audits/{made.run.pk}/report"
    assert caller(people.engineer, people.organisation, "read").post(draft).status_code == 403
    assert caller(people.auditor, people.organisation, "read", "write").post(draft).status_code == 403
    outsider = caller(people.outsider, people.elsewhere, "read", "write")
    assert outsider.post(draft).status_code == 404
    assert get(outsider, f"/reports/{made.countersigned.pk}").status_code == 404
    assert get(outsider, f"/reports/{made.countersigned.pk}/report.pdf").status_code == 404
    assert get(outsider, "/reports").json() == {"items": [], "count": 0}
    assert get(Client(), "/reports").status_code == 401
    assert (
        get(caller(people.owner, people.organisation, "read"), f"/reports/{uuid.uuid4()}").status_code == 404
    )


def test_every_file_of_an_audit_is_listed_and_comes() -> None:
    made = shelf()
    client = caller(made.people.auditor, made.people.organisation, "read")
    listed = get(client, f"/audits/{made.run.pk}/downloads").json()["items"]
    names = [each["name"] for each in listed]
    assert names[:2] == ["evidence.json", "measures.csv"]
    assert names.count("report.pdf") == names.count("report.html") >= 3
    signed = [each for each in listed if each["report"] == str(made.countersigned.pk)]
    assert {each["standing"] for each in signed} == {"valid"}
    for each in (*listed[:2], *signed):
        answer = client.get(each["url"])
        assert answer.status_code == 200, each
        assert answer["Content-Type"].partition(";")[0] == each["content_type"]
        if each["sha256"]:
            assert hashlib.sha256(answer.content).hexdigest() == each["sha256"]


def test_a_report_is_revoked_once_by_those_who_may() -> None:
    people = make_people()
    run = factory.measured_run(people)
    engineer = caller(people.engineer, people.organisation, "read", "write")
    draft = engineer.post(f"/api/v1/audits/{run.pk}/report").json()
    factory.run_jobs()
    path = f"/api/v1/reports/{draft['id']}/revoke"
    said = {"data": {"reason": "Wrong labels.", "category": "error"}, "content_type": "application/json"}
    assert engineer.post(path, **said).status_code == 403
    assert caller(people.outsider, people.elsewhere, "write").post(path, **said).status_code == 404
    reviewer = caller(people.reviewer, people.organisation, "read", "write")
    revoked = reviewer.post(path, **said).json()
    assert (revoked["standing"], bool(revoked["revoked_at"])) == ("revoked", True)
    assert reviewer.post(path, **said).status_code == 409


def test_a_draft_is_made_afresh_when_it_is_named() -> None:
    people = make_people()
    run = factory.measured_run(people)
    client = caller(people.engineer, people.organisation, "read", "write")
    place = f"/api/v1/audits/{run.pk}/report"
    first = client.post(place).json()["id"]
    factory.run_jobs()
    again = client.post(f"{place}?replacing={first}").json()["id"]
    assert again != first
    factory.run_jobs()
    assert get(client, f"/reports/{first}").json()["superseded_by"] == again
