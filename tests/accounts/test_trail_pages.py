"""The trail for readers: who decided what, with filters, a check, and the erasing of words."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Role, User
from accounts.tokens import make_token
from accounts.trail_words import link_of
from tests.conftest import People
from tests.trail.test_chain import triggers_off
from trail.models import TrailEntry
from trail.services import record

AsUser = Callable[[User], Client]


def _url(people: People) -> str:
    return f"/o/{people.organisation.slug}/trail/"


def test_those_who_may_read_the_trail_and_nobody_else(people: People, as_user: AsUser) -> None:
    for member in (people.owner, people.reviewer, people.auditor, people.operator):
        assert as_user(member).get(_url(people)).status_code == 200
    assert as_user(people.engineer).get(_url(people)).status_code == 403
    assert as_user(people.outsider).get(_url(people)).status_code == 404
    assert Client().get(_url(people)).status_code == 302


def test_entries_are_told_in_words_with_links_and_short_digests(people: People, as_user: AsUser) -> None:
    record(
        people.organisation.pk,
        "review.approved",
        "review",
        uuid.uuid4(),
        actor_id=people.reviewer.pk,
        facts={"snapshot_digest": "ab" * 32, "datasets": {"test": "cd" * 32}},
        payload={"reason": "<b>sound</b>"},
    )
    record(people.organisation.pk, "run.measured", "run", uuid.uuid4())
    record(people.organisation.pk, "run.deleted", "user", uuid.uuid4(), actor_id=uuid.uuid4())
    page = as_user(people.auditor).get(_url(people)).content.decode()
    assert "Review approved" in page
    assert people.reviewer.name in page
    assert "abababab…abab" in page
    assert "datasets, test" in page
    assert "ab" * 32 not in page
    assert "&lt;b&gt;sound&lt;/b&gt;" in page
    assert "Assay itself" in page
    assert "somebody whose account is gone" in page


def test_filters_and_pages(people: People, as_user: AsUser) -> None:
    target = uuid.uuid4()
    for _ in range(60):
        record(people.organisation.pk, "run.started", "run", target, actor_id=people.engineer.pk)
    reader = as_user(people.auditor)
    page = reader.get(_url(people)).content.decode()
    assert "1–50 of 6" in page
    assert "Older →" in page
    second = reader.get(_url(people), {"page": 2, "action": "run.started"}).content.decode()
    assert "51–60 of 60" in second
    assert "action=run.started" in second, "the filter stays from page to page"
    rows = reader.get(_url(people), {"who": str(people.owner.pk)}).content.decode()
    assert "<td>Engineer" not in rows
    assert "Run started</td>" not in rows
    assert reader.get(_url(people), {"target": str(target)}).content.decode().count("<tr id=") == 50
    for odd in ({"page": "x"}, {"who": "'; --"}, {"action": "none"}, {"target": "1"}, {"page": "-3"}):
        assert reader.get(_url(people), odd).status_code == 200


def test_reading_takes_as_many_queries_for_many_entries_as_for_few(people: People, as_user: AsUser) -> None:
    reader = as_user(people.auditor)
    with CaptureQueriesContext(connection) as few:
        reader.get(_url(people))
    for _ in range(45):
        record(people.organisation.pk, "a.b", "c", uuid.uuid4(), actor_id=people.owner.pk, payload={"a": "b"})
    with CaptureQueriesContext(connection) as many:
        reader.get(_url(people))
    assert len(few) == len(many)


def test_the_check_says_whether_the_chain_holds(people: People, as_user: AsUser) -> None:
    reader = as_user(people.auditor)
    assert "The chain holds" in reader.get(_url(people), {"check": "1"}).content.decode()
    _, secret = make_token(people.auditor, people.organisation, "x", ["read"], 5)
    headers = {"Authorization": f"Bearer {secret}"}
    assert Client().get("/api/v1/trail/check", headers=headers).json()["holds"] is True
    with triggers_off():
        entry = TrailEntry.objects.get(organisation_id=people.organisation.pk, sequence=2)
        TrailEntry.objects.filter(pk=entry.pk).update(action="other.thing")
    page = reader.get(_url(people), {"check": "1"}).content.decode()
    assert "does not hold: entry 2, its content was altered" in page
    told = Client().get("/api/v1/trail/check", headers=headers).json()
    assert (told["holds"], told["broken_at"]) == (False, 2)


def test_owners_erase_words_after_a_question(people: People, as_user: AsUser) -> None:
    entry = record(people.organisation.pk, "a.b", "c", uuid.uuid4(), payload={"note": "call 555-0101"})
    url = f"{_url(people)}{entry.pk}/erase/"
    for member in (people.auditor, people.reviewer, people.operator, people.engineer):
        assert as_user(member).post(url).status_code == 403
    assert as_user(people.outsider).post(url).status_code == 404
    owner = as_user(people.owner)
    assert "cannot be undone" in owner.get(url).content.decode()
    assert "555-0101" in owner.get(_url(people)).content.decode()
    owner.post(url)
    owner.post(url)
    page = owner.get(_url(people), {"check": "1"}).content.decode()
    assert "555-0101" not in page
    assert "Words erased" in page
    assert "The chain holds" in page
    assert "nothing to erase" in owner.get(url).content.decode()
    last = TrailEntry.objects.filter(organisation_id=people.organisation.pk).latest("sequence")
    assert (last.action, last.actor_id) == ("trail.erased", people.owner.pk)


def test_entries_of_others_are_not_there(people: People, as_user: AsUser) -> None:
    theirs = record(people.elsewhere.pk, "a.b", "c", uuid.uuid4(), payload={"note": "secret"})
    assert as_user(people.owner).get(f"{_url(people)}{theirs.pk}/erase/").status_code == 404
    assert "secret" not in as_user(people.owner).get(_url(people)).content.decode()


def test_the_api_reads_the_trail(people: People) -> None:
    _, secret = make_token(people.auditor, people.organisation, "x", ["read"], 5)
    headers = {"Authorization": f"Bearer {secret}"}
    told = Client().get("/api/v1/trail?limit=2", headers=headers).json()
    assert told["count"] == 7
    assert [item["sequence"] for item in told["items"]] == [7, 6]
    assert told["head"] == told["items"][0]["hash"]
    only = Client().get("/api/v1/trail?action=organisation.created", headers=headers).json()
    assert only["count"] == 1
    _, secret = make_token(people.engineer, people.organisation, "x", ["read"], 5)
    answer = Client().get("/api/v1/trail", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 403


def test_what_is_recorded_of_reports_leads_to_the_report() -> None:
    key = uuid.uuid4()
    assert link_of(Role.AUDITOR, "bank", "report", key) == f"/o/bank/reports/{key}/"
    assert link_of(Role.AUDITOR, "bank", "a kind without a page", key) == ""
    assert link_of(Role.OWNER, "bank", "user", key) == "/o/bank/members/"
    assert link_of(Role.AUDITOR, "bank", "user", key) == ""
    assert link_of(Role.OPERATOR, "bank", "job", key) == f"/o/bank/jobs/{key}/"
    assert link_of(Role.REVIEWER, "bank", "job", key) == ""
