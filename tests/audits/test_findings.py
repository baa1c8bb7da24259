"""Findings: listed, shown with their measures and runs, assigned, accepted for a time; all in the trail."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from assay.errors import AssayError, BadInput
from audits.findings_selectors import list_findings, open_findings
from audits.findings_services import accept_finding, assign_finding, is_open, reopen_finding, today_in
from audits.models import Finding, FindingRun, Policy, PolicyVersion, Run
from models_registry.models import DatasetVersion, Subject
from tests import factory, sample
from tests.conftest import People, make_people
from trail.models import TrailEntry
from trail.services import verify

AsUser = Callable[[User], Client]
HOSTILE = '<script>alert("x")</script>'


def made(people: People, number: int = 1, **values: object) -> Finding:
    """A finding of a system, as an audit would have left it."""
    system = factory.system(people, f"System of F-{number}")
    found: Finding = Finding.objects.create(
        organisation=people.organisation,
        number=number,
        system=system,
        key=f"f-{number}",
        **{"title": "Women shortlisted less often", "pillar": "fairness", "severity": "high", **values},
    )
    return found


def seen(finding: Finding, people: People, **content: object) -> Run:
    """A run that saw it."""
    version = factory.predictions_version(finding.system, people.engineer)
    data = DatasetVersion.objects.create(
        organisation=people.organisation,
        dataset=finding.system.datasets.first()
        or finding.system.datasets.create(
            organisation=people.organisation, name="loans", created_by=people.engineer
        ),
        number=version.number,
        created_by=people.engineer,
    )
    subject = Subject.objects.create(
        organisation=people.organisation, model_version=version, dataset_version=data
    )
    run: Run = Run.objects.create(
        organisation=people.organisation,
        number=Run.objects.of(people.organisation).count() + 1,
        system=finding.system,
        subject=subject,
        title="x",
        state="done",
        evidence_file="0" * 64,
        created_by=people.engineer,
        ended_at=timezone.now(),
    )
    FindingRun.objects.create(finding=finding, run=run, content=content)
    return run


def url(finding: Finding, rest: str = "") -> str:
    return f"/o/{finding.organisation.slug}/findings/{finding.pk}/{rest}"


def days(people: People, number: int) -> datetime.date:
    return today_in(people.organisation) + datetime.timedelta(days=number)


def test_open_findings_are_listed_worst_first_and_filtered(people: People, as_user: AsUser) -> None:
    low = made(people, 1, severity="low")
    high = made(people, 2, severity="critical", owner=people.engineer)
    made(people, 3, state="mended")
    accepted = made(people, 4, state="accepted", accepted_until=days(people, 3))
    organisation = people.organisation
    assert list(list_findings(organisation, {})) == [high, low]
    assert list(list_findings(organisation, {"state": "accepted"})) == [accepted]
    assert list(list_findings(organisation, {"state": "all"})).__len__() == 4
    assert list(list_findings(organisation, {"owner": "nobody"})) == [low]
    assert list(list_findings(organisation, {"owner": str(people.engineer.pk)})) == [high]
    assert list(list_findings(organisation, {"severity": "low", "pillar": "fairness"})) == [low]
    assert list(list_findings(organisation, {"pillar": "privacy"})) == []
    assert list(list_findings(organisation, {"system": str(low.system_id)})) == [low]
    for odd in ("'", "x" * 4_000, "00000000-0000-0000-0000-00000000000g"):
        query = dict.fromkeys(("state", "system", "pillar", "severity", "owner", "page"), odd)
        assert as_user(people.auditor).get(f"/o/{organisation.slug}/findings/", query).status_code == 200


def test_an_empty_list_says_what_makes_a_finding(people: People, as_user: AsUser) -> None:
    client = as_user(people.engineer)
    assert b"No open finding" in client.get(f"/o/{people.organisation.slug}/findings/").content
    text = client.get(f"/o/{people.organisation.slug}/findings/?severity=low").content
    assert b"No finding matches" in text


def test_an_expired_acceptance_reads_as_open_again(people: People, as_user: AsUser) -> None:
    finding = made(people, state="accepted", accepted_until=days(people, -1))
    assert is_open(finding, today_in(people.organisation))
    assert list(open_findings(people.organisation)) == [finding]
    text = as_user(people.auditor).get(url(finding)).content.decode()
    assert "that day has passed" in text
    until_today = made(people, 2, state="accepted", accepted_until=days(people, 0))
    assert not is_open(until_today, today_in(people.organisation))


def test_the_page_shows_criterion_measures_and_which_runs_saw_it(committed: None, as_user: AsUser) -> None:
    people = make_people()
    biased, mended = sample.biased_pair(people, sample.policy_version(people), 1_200)
    finding = biased.findings.order_by("number").first()
    assert finding is not None
    text = as_user(people.auditor).get(url(finding)).content.decode()
    assert f"F-{finding.number} {finding.title}" in text
    assert "Ratio of selection rates" in text
    assert "Female / Male" in text
    assert "≥ 0.80" in text
    assert "Four-fifths" in text
    assert text.index(f">{mended}<") < text.index(f">{biased}<")
    listed = as_user(people.auditor).get(f"/o/{people.organisation.slug}/findings/").content.decode()
    assert f"F-{finding.number}" in listed
    client = as_user(people.auditor)
    with CaptureQueriesContext(connection) as queries:
        client.get(url(finding))
    assert len(queries) <= 12


def test_hostile_words_stay_words(people: People, as_user: AsUser) -> None:
    finding = made(people, title=HOSTILE, cause=HOSTILE)
    seen(finding, people, criterion=HOSTILE, detail=HOSTILE, action=HOSTILE, measures=[], rule=None)
    accept_finding(finding, until=days(people, 5), reason=HOSTILE, by=people.owner)
    for path in (url(finding), f"/o/{people.organisation.slug}/findings/?state=all"):
        text = as_user(people.owner).get(path).content.decode()
        assert "<script>alert" not in text
        assert "&lt;script&gt;" in text


def test_who_may_read_and_decide(people: People, as_user: AsUser, client: Client) -> None:
    finding = made(people)
    listed = f"/o/{people.organisation.slug}/findings/"
    for member in (people.owner, people.engineer, people.reviewer, people.auditor, people.operator):
        assert as_user(member).get(listed).status_code == 200
        assert as_user(member).get(url(finding)).status_code == 200
    assert as_user(people.outsider).get(url(finding)).status_code == 404
    assert as_user(people.outsider).get(listed).status_code == 404
    assert client.get(url(finding)).status_code == 302
    for rest, allowed in (
        ("assign/", {people.owner, people.engineer}),
        ("accept/", {people.owner, people.reviewer}),
        ("reopen/", {people.owner, people.reviewer}),
    ):
        for member in (people.owner, people.engineer, people.reviewer, people.auditor, people.operator):
            status = as_user(member).post(url(finding, rest)).status_code
            assert (status != 403) == (member in allowed), (rest, member)
        assert as_user(people.outsider).post(url(finding, rest)).status_code == 404
        assert as_user(people.owner).get(url(finding, rest)).status_code == 405
        foreign = f"/o/{people.elsewhere.slug}/findings/{finding.pk}/{rest}"
        assert as_user(people.outsider).post(foreign).status_code == 404


def test_an_owner_is_named_once_however_often_the_form_is_sent(people: People, as_user: AsUser) -> None:
    finding = made(people)
    form = {"owner": str(people.engineer.pk), "due": days(people, 30).isoformat(), "cause": "Few rows."}
    for _ in range(2):
        answer = as_user(people.engineer).post(url(finding, "assign/"), form)
        assert answer.status_code == 302
    finding.refresh_from_db()
    assert (finding.owner, finding.due, finding.cause) == (people.engineer, days(people, 30), "Few rows.")
    entries = TrailEntry.objects.filter(target_id=finding.pk, action="finding.assigned")
    assert [entry.actor_id for entry in entries] == [people.engineer.pk]
    assert "Few rows." not in str(entries[0].facts)
    assert verify(people.organisation.pk) is None


def test_nobody_from_elsewhere_becomes_an_owner(people: People, as_user: AsUser) -> None:
    finding = made(people)
    answer = as_user(people.engineer).post(
        url(finding, "assign/"), {"owner": str(people.outsider.pk), "cause": "Typed already."}
    )
    assert answer.status_code == 400
    assert b"Typed already." in answer.content
    with pytest.raises(BadInput, match="no member"):
        assign_finding(finding, owner=people.outsider, due=None, cause="", by=people.owner)


def test_acceptance_has_a_reason_and_an_end(people: People, as_user: AsUser) -> None:
    finding = made(people)
    client = as_user(people.reviewer)
    for until, reason in (
        (days(people, -1), "Because."),
        (days(people, 400), "Because."),
        (days(people, 5), "  "),
        ("31 Juni", "Because."),
    ):
        answer = client.post(url(finding, "accept/"), {"until": str(until), "reason": reason})
        assert answer.status_code == 400
        if reason.strip():
            assert b"Because." in answer.content
        finding.refresh_from_db()
        assert finding.state == "open"
    form = {"until": days(people, 5).isoformat(), "reason": "The group is collected in the next intake."}
    assert client.post(url(finding, "accept/"), form).status_code == 302
    assert client.post(url(finding, "accept/"), form).status_code == 302  # a second click changes nothing
    finding.refresh_from_db()
    assert (finding.state, finding.accepted_until) == ("accepted", days(people, 5))
    assert TrailEntry.objects.filter(target_id=finding.pk, action="finding.accepted").count() == 1
    text = client.get(url(finding)).content.decode()
    assert "The group is collected in the next intake." in text
    assert str(people.reviewer) in text


def test_the_second_of_two_who_accept_is_told(people: People, as_user: AsUser) -> None:
    finding = made(people)
    accept_finding(finding, until=days(people, 5), reason="One.", by=people.owner)
    with pytest.raises(AssayError, match="accepted already") as caught:
        accept_finding(finding, until=days(people, 9), reason="Two.", by=people.reviewer)
    assert caught.value.code == "conflict"
    form = {"until": days(people, 9).isoformat(), "reason": "Two."}
    answer = as_user(people.reviewer).post(url(finding, "accept/"), form)
    assert answer.status_code == 409


def test_an_acceptance_can_be_ended_and_given_again(people: People, as_user: AsUser) -> None:
    finding = made(people)
    accept_finding(finding, until=days(people, 5), reason="One.", by=people.owner)
    assert as_user(people.reviewer).post(url(finding, "reopen/"), {"reason": "New facts."}).status_code == 302
    finding.refresh_from_db()
    assert (finding.state, finding.accepted_until) == ("open", None)
    reopen_finding(finding, reason="", by=people.owner)  # open already: nothing to record
    assert TrailEntry.objects.filter(target_id=finding.pk, action="finding.reopened").count() == 1
    accept_finding(finding, until=days(people, 9), reason="Two.", by=people.reviewer)
    assert "New facts." in as_user(people.owner).get(url(finding)).content.decode()


def test_what_is_mended_is_neither_accepted_nor_opened(people: People) -> None:
    finding = made(people, state="mended")
    with pytest.raises(BadInput, match="mended"):
        accept_finding(finding, until=days(people, 5), reason="x", by=people.owner)
    with pytest.raises(BadInput, match="mended"):
        reopen_finding(finding, reason="x", by=people.owner)


def test_the_list_needs_a_fixed_number_of_queries(people: People, as_user: AsUser) -> None:
    client = as_user(people.auditor)
    counted = []
    for number in (1, 12):
        for extra in range(number):
            made(people, 100 * number + extra, owner=people.engineer)
        with CaptureQueriesContext(connection) as queries:
            client.get(f"/o/{people.organisation.slug}/findings/")
        counted.append(len(queries))
    assert counted[0] == counted[1] <= 9


def test_policies_of_the_sample_are_the_organisations(people: People) -> None:
    version = sample.policy_version(people)
    assert PolicyVersion.objects.of(people.organisation).get() == version
    assert Policy.objects.of(people.elsewhere).count() == 0
