"""The public pages: what anybody with a code or a file learns, and what nobody does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Organisation
from compliance.models import Review
from compliance.services import withdraw
from compliance.staleness import sweep
from reports import checking
from reports.models import Document
from reports.services import revoke
from reports.standing import standing_of
from tests import factory
from tests.conftest import make_people
from tests.reports.builders import attached, decide, pdf_of, shelf, submit

pytestmark = pytest.mark.usefixtures("committed")
ASK = reverse("verify:ask")


@pytest.fixture(autouse=True)
def fresh_counts() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def page(document: Document) -> str:
    answer = Client().get(reverse("verify:standing", args=[document.verification_code]))
    assert answer.status_code == 200
    return answer.content.decode()


def decided(**more: Any) -> Document:
    people = make_people()
    run = factory.measured_run(people)
    decide(people, submit(people, run), **more)
    factory.run_jobs()
    found: Document = Document.objects.of(people.organisation).get(kind="countersigned")
    return found


def test_anybody_with_the_code_learns_whether_the_report_stands() -> None:
    made = shelf()
    text = page(made.countersigned)
    for phrase in (
        "Valid: approved",
        made.people.organisation.name,
        "2099-11-27",
        "It has conditions",
        made.countersigned.pdf,
        made.countersigned.snapshot_digest,
    ):
        assert phrase in text
    assert "Superseded" in page(made.certified)


def test_the_page_says_nothing_personal() -> None:
    made = shelf()
    for document in (made.draft, made.certified, made.countersigned):
        text = page(document)
        for person in (made.people.engineer, made.people.reviewer, made.people.owner):
            assert person.name not in text
            assert person.email not in text
        for words in ("We will retrain", "known and mended", "10,000 loans", "ratio over sex", "income"):
            assert words not in text


def test_a_code_is_found_however_it_is_typed() -> None:
    code = shelf().countersigned.verification_code
    typed = f" {code[:4].lower()}-{code[4:12]} {code[12:]}"
    answer = Client().get(ASK, {"code": typed}, follow=True)
    assert "Valid: approved" in answer.content.decode()


@pytest.mark.parametrize("code", ["0" * 24, "nonsense", "<script>alert(1)</script>", "a" * 300, "審査"])
def test_an_unknown_code_gets_a_clear_page(code: str) -> None:
    answer = Client().get(f"/verify/{code}/")
    assert answer.status_code == 404
    text = answer.content.decode()
    if "/" not in code:
        assert "knows no report with this code" in text
    assert "<script>alert" not in text


def test_what_is_no_code_is_refused_at_the_field_and_kept() -> None:
    answer = Client().get(ASK, {"code": "<b>12"})
    assert answer.status_code == 400
    assert "&lt;b&gt;12" in answer.content.decode()
    assert "A code has 24 letters and digits" in answer.content.decode()


def test_a_revoked_report_says_so_at_once_with_the_kind_of_reason_alone() -> None:
    document = decided()
    revoke(document, document.review.reviewer, "Mr Smith's labels were wrong.", "data")  # type: ignore[union-attr, arg-type]
    text = page(document)
    assert "Revoked" in text
    assert "the data should not have been used" in text
    assert "Smith" not in text


def test_stale_expired_and_refused_decisions_are_called_so() -> None:
    document = decided()
    review = document.review
    assert review is not None
    review.lapses_on = timezone.now().date() - timedelta(days=2)  # an acceptance that it rests on has ended
    review.save()
    assert "The approval no longer holds: " in page(document)
    review.stale_at = timezone.now()
    review.save()
    assert f"The approval no longer holds since {review.stale_at:%Y-%m-%d}" in page(document)
    review.revoked_at = timezone.now()
    review.save()
    assert "The approval was revoked" in page(document)
    assert "Rejected" in page(decided(state="rejected", valid_until=None))
    assert "Valid: approved" in page(decided(valid_until=date.today()))


def test_a_certified_report_whose_review_was_withdrawn_awaits_nobody() -> None:
    people = make_people()
    review = submit(people, factory.measured_run(people))
    factory.run_jobs()
    document = Document.objects.of(people.organisation).get(kind="certified")
    assert "Awaits a reviewer" in page(document)
    withdraw(review, people.engineer)
    text = page(document)
    assert "The request for a review was withdrawn" in text
    assert "Awaits a reviewer" not in text


def test_an_approval_whose_time_is_over_is_expired_and_nothing_is_said_to_have_changed() -> None:
    ended = timezone.now().date() - timedelta(days=2)
    document = decided(valid_until=ended, lapses_on=ended)
    assert "Expired" in page(document)
    sweep()
    assert document.review is not None
    document.review.refresh_from_db()
    assert document.review.stale_reason.startswith("It was valid until")
    text = page(document)
    assert f"was valid until {ended}" in text
    assert "Stale" not in text


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_an_approval_ends_with_the_day_where_the_organisation_is(zone: str) -> None:
    last = timezone.localdate(timezone=ZoneInfo(zone))
    document = decided(valid_until=last, lapses_on=last)
    Organisation.objects.filter(pk=document.organisation_id).update(timezone=zone)
    assert "Valid: approved" in page(document)
    for day, word in ((last, "valid"), (last + timedelta(days=1), "expired")):
        assert standing_of(document, day).word == word
    Review.unscoped.filter(pk=document.review_id).update(lapses_on=last - timedelta(days=1))
    document.facts["valid_until"] = str(last - timedelta(days=1))
    document.save(update_fields=["facts"])
    assert "Expired" in page(document)


def upload(data: bytes, name: str = "report.pdf") -> Any:
    return Client().post(ASK, {"report": SimpleUploadedFile(name, data, "application/pdf")})


def test_an_uploaded_report_is_checked_and_its_standing_shown() -> None:
    document = shelf().countersigned
    text = upload(pdf_of(document)).content.decode()
    assert "The file is whole, and this service made it" in text
    assert "Valid: approved" in text
    assert f"/verify/{document.verification_code}/" in text


def test_an_intact_but_revoked_report_is_shown_as_both() -> None:
    document = decided()
    revoke(document, document.review.reviewer, "wrong", "error")  # type: ignore[union-attr, arg-type]
    text = upload(pdf_of(document)).content.decode()
    assert "Intact" in text
    assert "Revoked" in text


def test_altered_foreign_and_other_files_are_told_apart() -> None:
    from tests.report.sealed_sample import sealed_report

    pdf = bytearray(pdf_of(shelf().countersigned))
    pdf[len(pdf) // 2] ^= 1
    assert "The file was changed" in upload(bytes(pdf)).content.decode()
    assert "this service did not make it" in upload(sealed_report("theirs")).content.decode()
    assert "no sealed report" in upload(pdf_of(shelf().draft)).content.decode()
    answer = upload(b"\x00" * 100, "<script>alert(1)</script>.pdf")
    assert answer.status_code == 200
    assert "no sealed report" in answer.content.decode()
    assert "<script>alert" not in answer.content.decode()


def test_nothing_of_an_upload_is_stored() -> None:
    from models_registry.models import StoredFile

    count = (StoredFile.unscoped.count(), Document.unscoped.count())
    upload(b"%PDF-1.7 something")
    assert (StoredFile.unscoped.count(), Document.unscoped.count()) == count


def test_a_file_too_large_or_missing_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client().post(ASK).status_code == 400
    assert upload(b"").status_code == 400
    assert Client().post(ASK, {"report": "text"}).status_code == 400
    monkeypatch.setattr("reports.public_views.MAX_UPLOAD", 1_000)
    answer = upload(b"x" * 2_000)
    assert answer.status_code == 413
    assert "larger than" in answer.content.decode()
    announced = Client().post(
        ASK, b"x", content_type="application/x-www-form-urlencoded", CONTENT_LENGTH=10**9
    )
    assert announced.status_code == 413


def test_those_who_ask_too_often_wait() -> None:
    codes = [Client().get(f"/verify/{'0' * 24}/").status_code for _ in range(62)]
    assert codes[0] == 404
    assert codes[-1] == 429
    uploads = [upload(b"x").status_code for _ in range(7)]
    assert (uploads[0], uploads[-1]) == (200, 429)


def test_only_so_many_files_are_checked_at_once() -> None:
    with checking.place(), checking.place():
        assert upload(b"x").status_code == 503
    assert upload(b"x").status_code == 200


def test_the_certificate_can_be_fetched_and_holds_no_secret() -> None:
    shelf()
    answer = Client().get(reverse("verify:certificate"))
    assert answer.content.startswith(b"-----BEGIN CERTIFICATE-----")
    assert b"PRIVATE" not in answer.content


def test_the_pages_set_no_cookie_and_are_not_kept_by_caches() -> None:
    for address in (ASK, reverse("verify:standing", args=[shelf().countersigned.verification_code])):
        answer = Client().get(address)
        assert not answer.cookies
        assert "no-store" in answer["Cache-Control"]


def test_the_printed_address_leads_here() -> None:
    import json

    document = shelf().countersigned
    url = json.loads(attached(pdf_of(document), "decision.json"))["check"]["url"]
    assert url.endswith(reverse("verify:standing", args=[document.verification_code]))
