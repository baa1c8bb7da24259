"""Pages of reports: who sees them, what they offer, and that nothing can be broken by asking twice."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from reports.models import Document
from tests import factory
from tests.conftest import make_people
from tests.reports.builders import Shelf, decide, pdf_of, shelf, submit

pytestmark = pytest.mark.usefixtures("committed")
As = Callable[[Any], Client]


def at(made: Shelf, name: str, document: Document | None = None) -> str:
    org = made.people.organisation.slug
    if name == "make":
        return reverse("reports:make", args=[org, made.run.pk])
    return reverse(f"reports:{name}", args=[org] if document is None else [org, document.pk])


PAGES = ["documents", "document", "pdf", "html"]


def _address(made: Shelf, name: str) -> str:
    return at(made, name, None if name == "documents" else made.countersigned)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("role", ["owner", "engineer", "reviewer", "auditor", "operator"])
def test_every_member_reads_reports(as_user: As, name: str, role: str) -> None:
    made = shelf()
    assert as_user(getattr(made.people, role)).get(_address(made, name)).status_code == 200


@pytest.mark.parametrize("name", [*PAGES, "revoke", "make"])
def test_outsiders_see_nothing_and_the_signed_out_are_asked_to_sign_in(as_user: As, name: str) -> None:
    made = shelf()
    address = _address(made, name)
    method = "post" if name == "make" else "get"
    assert getattr(as_user(made.people.outsider), method)(address).status_code == 404
    answer = getattr(Client(), method)(address)
    assert answer.status_code == 302
    assert "/accounts/login/" in answer["Location"]


def test_a_report_of_another_organisation_is_not_found_in_one_s_own(as_user: As) -> None:
    made = shelf()
    client = as_user(made.people.outsider)
    for name in ("document", "pdf", "html", "revoke"):
        foreign = reverse(f"reports:{name}", args=[made.people.elsewhere.slug, made.countersigned.pk])
        assert client.get(foreign).status_code == 404
    foreign = reverse("reports:make", args=[made.people.elsewhere.slug, made.run.pk])
    assert client.post(foreign).status_code == 404


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 302), ("engineer", 302), ("reviewer", 403), ("auditor", 403)]
)
def test_those_who_audit_make_drafts(as_user: As, role: str, status: int) -> None:
    made = shelf()
    assert as_user(getattr(made.people, role)).post(at(made, "make")).status_code == status
    assert as_user(made.people.engineer).get(at(made, "make")).status_code == 405
    factory.run_jobs()


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 200), ("reviewer", 200), ("engineer", 403), ("auditor", 403)]
)
def test_owners_and_reviewers_revoke(as_user: As, role: str, status: int) -> None:
    made = shelf()
    answer = as_user(getattr(made.people, role)).get(at(made, "revoke", made.countersigned))
    assert answer.status_code == status


def test_the_list_shows_what_stands(as_user: As) -> None:
    made = shelf()
    client = as_user(made.people.auditor)
    text = client.get(at(made, "documents")).content.decode()
    for phrase in (
        "Countersigned by the reviewer",
        "Superseded",
        "Valid: approved",
        made.countersigned.pdf[:8],
    ):
        assert phrase in text
    only = client.get(at(made, "documents"), {"show": "certified"}).content.decode()
    assert "Countersigned by the reviewer</td>" not in only
    for odd in ({"show": "nonsense"}, {"page": "999"}, {"page": "x"}, {"show": "revoked"}):
        assert client.get(at(made, "documents"), odd).status_code == 200


def test_an_organisation_without_reports_is_told_what_to_do(as_user: As) -> None:
    people = make_people()
    text = as_user(people.owner).get(reverse("reports:documents", args=[people.organisation.slug])).content
    assert b"No report yet" in text


def test_the_list_takes_a_fixed_number_of_queries(
    as_user: As, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    made = shelf()
    client = as_user(made.people.auditor)
    client.get(at(made, "documents"))
    with django_assert_max_num_queries(8):
        client.get(at(made, "documents"))


def test_the_page_says_how_to_check_the_report(as_user: As) -> None:
    made = shelf()
    text = as_user(made.people.auditor).get(at(made, "document", made.countersigned)).content.decode()
    for phrase in (
        "assay verify report.pdf",
        made.countersigned.pdf,
        made.countersigned.snapshot_digest,
        f"/verify/{made.countersigned.verification_code}/",
    ):
        assert phrase in text
    draft = as_user(made.people.auditor).get(at(made, "document", made.draft)).content.decode()
    assert "carries no seal" in draft


def test_the_decided_review_leads_to_its_countersigned_report(as_user: As) -> None:
    here = shelf()
    org = here.people.organisation.slug
    page = as_user(here.people.reviewer).get(f"/o/{org}/reviews/{here.review.pk}/").content.decode()
    assert f"/o/{org}/reports/{here.countersigned.pk}/report.pdf" in page
    assert f"/o/{org}/reports/{here.certified.pk}/report.pdf" not in page


def test_downloads_are_attachments_that_no_browser_runs(as_user: As) -> None:
    made = shelf()
    client = as_user(made.people.auditor)
    pdf = client.get(at(made, "pdf", made.countersigned))
    assert pdf.content == pdf_of(made.countersigned)
    html = client.get(at(made, "html", made.countersigned))
    assert html.content.startswith(b"<!doctype html>")
    for answer, ending in ((pdf, ".pdf"), (html, ".html")):
        assert answer["Content-Disposition"].startswith("attachment; ")
        assert answer["Content-Disposition"].rstrip('"').endswith(ending)
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Security-Policy"].startswith("sandbox")
    assert (pdf["Content-Type"], html["Content-Type"]) == ("application/pdf", "text/html; charset=utf-8")


def test_a_report_that_is_being_made_asks_again_by_itself(as_user: As) -> None:
    people = make_people()
    run = factory.measured_run(people)
    client = as_user(people.engineer)
    org = people.organisation.slug
    make = reverse("reports:make", args=[org, run.pk])
    page = client.post(make)["Location"]
    assert client.post(make)["Location"] == page
    waiting = client.get(page).content.decode()
    assert 'hx-trigger="every 2s"' in waiting
    assert "Being made" in waiting
    pk = re.search(r"reports/([0-9a-f-]{36})/", page)
    assert pk is not None
    for name in ("pdf", "html"):
        assert client.get(reverse(f"reports:{name}", args=[org, pk[1]])).status_code == 404
    factory.run_jobs()
    fragment = client.get(page, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment
    assert "hx-trigger" not in fragment
    assert "Download PDF" in fragment


def test_a_draft_can_be_made_afresh_from_its_page(as_user: As) -> None:
    people = make_people()
    run = factory.measured_run(people)
    client = as_user(people.engineer)
    org = people.organisation.slug
    make = reverse("reports:make", args=[org, run.pk])
    first = client.post(make)["Location"]
    factory.run_jobs()
    old = Document.objects.of(people.organisation).get()
    assert "Make the draft afresh" in client.get(first).content.decode()
    second = client.post(make, {"replacing": str(old.pk)})["Location"]
    assert second != first
    assert client.post(make, {"replacing": str(old.pk)})["Location"] == second
    for odd in ("", "x", "0" * 40, str(people.owner.pk)):
        assert client.post(make, {"replacing": odd})["Location"] == second
    factory.run_jobs()


def test_revoking_asks_why_keeps_what_was_typed_and_happens_once(as_user: As) -> None:
    people = make_people()
    run = factory.measured_run(people)
    decide(people, submit(people, run))
    factory.run_jobs()
    document = Document.objects.of(people.organisation).get(kind="countersigned")
    org = people.organisation.slug
    page, revoke = (reverse(f"reports:{name}", args=[org, document.pk]) for name in ("document", "revoke"))
    client = as_user(people.reviewer)
    assert "Revoke…" in client.get(page).content.decode()
    refused = client.post(revoke, {"category": "error", "reason": ""})
    assert refused.status_code == 400
    assert "This field is required" in refused.content.decode()
    kept = client.post(revoke, {"category": "nonsense", "reason": "<b>kept</b>"})
    assert "&lt;b&gt;kept&lt;/b&gt;" in kept.content.decode()
    blank = client.post(revoke, {"category": "error", "reason": "\x00"})
    assert blank.status_code == 400
    done = client.post(revoke, {"category": "error", "reason": "<i>wrong</i>"}, follow=True)
    text = done.content.decode()
    assert "The report is revoked" in text
    assert "an error was found in the audit" in text
    assert "&lt;i&gt;wrong&lt;/i&gt;" in text
    again = client.post(revoke, {"category": "error", "reason": "again"}, follow=True)
    assert "revoked already" in again.content.decode()
    listed = client.get(reverse("reports:documents", args=[org]), {"show": "revoked"}).content.decode()
    assert "Revoked</span>" in listed


def test_a_run_without_a_result_gets_a_sentence_not_a_traceback(as_user: As) -> None:
    from audits.services import draft_run

    made = shelf()
    subject = made.run.subject
    bare = draft_run(subject.model_version, subject.dataset_version, by=made.people.engineer)
    make = reverse("reports:make", args=[made.people.organisation.slug, bare.pk])
    answer = as_user(made.people.engineer).post(make)
    assert answer.status_code == 400
    assert "has no result" in answer.content.decode()
