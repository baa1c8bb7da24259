"""Three editions of a report, each made once, each saying what holds; the newer supersedes the older."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pikepdf
import pytest
from django.conf import settings
from django.db import connection, transaction

from assay.errors import AssayError, BadInput
from assay.evidence import loads
from assay.report.authority import find_authority
from assay.report.decision import load_decision
from assay.report.verify import Verification, verify
from compliance.models import Review
from compliance.signals import review_revoked
from jobs.models import Job, JobState
from models_registry import files
from reports import recording
from reports.models import Document
from reports.services import request_document, revoke
from tests import factory
from tests.conftest import make_people
from tests.reports.builders import (
    HOSTILE,
    attached,
    decide,
    pdf_of,
    reply,
    shelf,
    submit,
    words_of,
)
from trail.models import TrailEntry
from trail.services import verify as verify_trail

pytestmark = pytest.mark.usefixtures("committed")


def check(document: Document) -> Verification:
    return verify(pdf_of(document), authority=find_authority(settings.ENV.home))


def test_a_draft_says_on_every_page_that_it_is_not_certified_and_carries_no_seal() -> None:
    draft = shelf().draft
    assert (draft.state, draft.facts["outcome"]) == ("ready", "draft")
    pages = [words_of(page) for page in _pages(pdf_of(draft))]
    assert all(page.count("Draft, not certified") >= 2 for page in pages)
    assert check(draft).outcome == "not_a_report"


def _pages(pdf: bytes) -> list[bytes]:
    found = []
    with pikepdf.open(io.BytesIO(pdf)) as document:
        for page in document.pages:
            with pikepdf.new() as single:
                single.pages.append(page)
                out = io.BytesIO()
                single.save(out)
                found.append(out.getvalue())
    return found


def test_a_submitted_report_is_certified_and_awaits_a_reviewer() -> None:
    certified = shelf().certified
    answer = check(certified)
    assert (answer.outcome, answer.countersigned_at) == ("intact", None)
    assert answer.decision is not None
    assert answer.decision.outcome == "awaiting"
    text = words_of(pdf_of(certified))
    assert "Certified at submission, awaiting a reviewer" in text
    assert "Please look at the ratio over sex." in text


def test_a_decided_report_is_countersigned_and_says_who_decided_what() -> None:
    made = shelf()
    answer = check(made.countersigned)
    assert answer.outcome == "intact", answer.details
    assert answer.snapshot_digest == made.run.snapshot_digest
    decision = answer.decision
    assert decision is not None
    assert (decision.outcome, decision.review) == ("approved", made.review.number)
    assert decision.reviewer is not None
    assert (decision.reviewer.name, decision.reviewer.role) == (made.people.reviewer.name, "Reviewer")
    assert decision.valid_until == "2099-11-27"
    first = words_of(pdf_of(made.countersigned), "-l", "1")
    assert f"Approved by {made.people.reviewer.name} on" in first
    assert "until 2099-11-27, with conditions" in first
    assert "Audit again after 10,000 loans." in first


def test_the_decision_chapter_has_replies_checklist_runs_and_the_way_to_check_it() -> None:
    made = shelf()
    # Long words have places where they may break.
    text = words_of(pdf_of(made.countersigned)).replace("\u200b", "")
    for phrase in (
        "1 Review and decision",
        "Management's replies to findings",
        "We will retrain.",
        "I have read every failed rule",
        "Audits of the audited version",
        made.countersigned.trail_head,
        f"{settings.ENV.url}/verify/{made.countersigned.verification_code}/",
    ):
        assert phrase in text, phrase


def test_the_attached_decision_and_evidence_are_those_of_the_rows() -> None:
    made = shelf()
    pdf = pdf_of(made.countersigned)
    decision = load_decision(attached(pdf, "decision.json"))
    assert decision.snapshot_digest == made.run.snapshot_digest
    assert [run.number for run in decision.runs] == [made.run.number]
    assert decision.trail_head == made.countersigned.trail_head
    assert loads(attached(pdf, "evidence.json")).snapshot_digest == made.run.snapshot_digest


@pytest.mark.parametrize("kind", ["draft", "certified", "countersigned"])
def test_every_edition_keeps_to_pdf_ua_and_pdf_a(kind: str) -> None:
    with pikepdf.open(io.BytesIO(pdf_of(getattr(shelf(), kind)))) as document:
        with document.open_metadata() as metadata:
            assert metadata["pdfuaid:part"] == "1"
            assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("3", "A")
        assert document.Root.MarkInfo.Marked
        names = sorted(document.attachments)
        assert names == ["decision.json", "evidence.json", "report-index.json"]


def test_a_newer_edition_supersedes_the_older_ones() -> None:
    made = shelf()
    assert made.draft.superseded_by == made.certified
    assert made.certified.superseded_by == made.countersigned
    assert made.countersigned.superseded_by is None


def test_a_second_review_supersedes_the_first() -> None:
    people = make_people()
    run = factory.measured_run(people)
    first = submit(people, run)
    decide(people, first, "changes", reason="Explain the gap.")
    factory.run_jobs()
    asked = Document.objects.of(people.organisation).get(kind="countersigned")
    assert asked.superseded_by is None
    assert "Changes requested by" in words_of(pdf_of(asked), "-l", "1")
    submit(people, run)
    factory.run_jobs()
    asked.refresh_from_db()
    assert asked.superseded_by is not None
    assert asked.superseded_by.kind == "certified"


def test_editions_made_out_of_order_end_the_same() -> None:
    people = make_people()
    run = factory.measured_run(people)
    review = submit(people, run)
    decide(people, review)
    certified, countersigned = (
        Document.objects.of(people.organisation).get(kind=kind) for kind in ("certified", "countersigned")
    )
    assert certified.job is not None
    certified.job.shards.update(claimable_at=9e12)
    factory.run_jobs()
    certified.job.shards.update(claimable_at=0)
    factory.run_jobs()
    certified.refresh_from_db()
    countersigned.refresh_from_db()
    assert (certified.superseded_by, countersigned.superseded_by) == (countersigned, None)


def test_failed_and_cancelled_runs_of_the_version_are_listed() -> None:
    from audits.recording import record_failure
    from audits.services import draft_run

    people = make_people()
    run = factory.measured_run(people)
    subject = run.subject
    other = draft_run(subject.model_version, subject.dataset_version, by=people.engineer, tier="quick")
    with transaction.atomic():
        record_failure(other, "failed", "The child ran out of memory.")
    draft = request_document(run, "draft", people.engineer)
    factory.run_jobs()
    draft.refresh_from_db()
    listed = load_decision(attached(pdf_of(draft), "decision.json")).runs
    assert [(r.number, r.state, r.this) for r in listed] == [
        (run.number, "Done", True),
        (other.number, "Failed", False),
    ]
    assert "The child ran out of memory." in words_of(pdf_of(draft))


def test_asking_again_finds_the_same_edition() -> None:
    made = shelf()
    for kind, review in (("certified", made.review), ("countersigned", made.review)):
        assert request_document(made.run, kind, made.people.engineer, review) == getattr(made, kind)
    people = make_people()
    run = factory.measured_run(people)
    one = request_document(run, "draft", people.engineer)
    assert request_document(run, "draft", people.owner) == one
    factory.run_jobs()
    assert request_document(run, "draft", people.owner) == one
    assert Job.unscoped.filter(kind="report", organisation=people.organisation).count() == 1


def test_a_draft_is_made_afresh_once_however_often_it_is_asked_for() -> None:
    people = make_people()
    run = factory.measured_run(people)
    old = request_document(run, "draft", people.engineer)
    factory.run_jobs()
    old.refresh_from_db()
    new = request_document(run, "draft", people.engineer, replacing=old)
    assert new != old
    assert request_document(run, "draft", people.engineer, replacing=old) == new
    factory.run_jobs()
    old.refresh_from_db()
    assert old.superseded_by == new


def test_two_who_ask_at_once_get_one_document() -> None:
    people = make_people()
    run = factory.measured_run(people)
    found, gate = [], threading.Barrier(4)

    def ask() -> None:
        gate.wait()
        try:
            found.append(request_document(run, "draft", people.engineer).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert Job.unscoped.filter(kind="report", organisation=people.organisation).count() == 1


def test_two_jobs_for_one_document_make_it_once() -> None:
    from jobs import services as jobs

    people = make_people()
    run = factory.measured_run(people)
    document = request_document(run, "draft", people.engineer)
    stray = jobs.submit("report", people.organisation, document.pk)
    factory.run_jobs()
    document.refresh_from_db()
    stray.refresh_from_db()
    assert (document.state, stray.state) == ("ready", JobState.DONE)
    made = TrailEntry.objects.filter(organisation_id=people.organisation.pk, action="report.made")
    assert made.count() == 1
    assert verify_trail(people.organisation.pk) is None


def test_a_report_that_could_not_be_made_says_why_and_can_be_tried_again() -> None:
    people = make_people()
    run = factory.measured_run(people)
    path = files.path_of(people.organisation, run.evidence_file)
    content = path.read_bytes()
    path.write_bytes(content[:-5])
    document = request_document(run, "draft", people.engineer)
    factory.run_jobs()
    document.refresh_from_db()
    assert document.state == "failed"
    assert "damaged" in document.reason
    path.write_bytes(content)
    assert request_document(run, "draft", people.engineer) == document
    factory.run_jobs()
    document.refresh_from_db()
    assert (document.state, document.reason) == ("ready", "")


def test_a_cancelled_job_leaves_a_document_that_can_be_asked_for_again() -> None:
    from jobs.services import cancel

    people = make_people()
    run = factory.measured_run(people)
    document = request_document(run, "draft", people.engineer)
    assert document.job is not None
    cancel(document.job)
    document.refresh_from_db()
    assert (document.state, document.reason) == ("failed", "The job was cancelled.")


def test_what_has_no_result_or_no_review_gets_no_report() -> None:
    from audits.services import draft_run

    made = shelf()
    people, subject = made.people, made.run.subject
    bare = draft_run(subject.model_version, subject.dataset_version, by=people.engineer)
    with pytest.raises(BadInput, match="has no result"):
        request_document(bare, "draft", people.engineer)
    with pytest.raises(BadInput, match="belongs to no review"):
        request_document(made.run, "certified", people.engineer)
    other = Review(run=made.run, snapshot_digest="0" * 64, number=99)
    with pytest.raises(BadInput, match="another result"):
        request_document(made.run, "certified", people.engineer, other)


def test_hostile_words_are_printed_literally_and_the_seal_holds() -> None:
    people = make_people()
    people.reviewer.name = f"R {HOSTILE}"[:110].replace("\x07", "")
    people.reviewer.save()
    people.organisation.name = "<b>Bank</b> #let x = 1"
    people.organisation.save()
    run = factory.measured_run(people, title='#eval("1") <h1>')
    reply(people, run, HOSTILE + "\n\n" + "long " * 700, action=HOSTILE)
    review = submit(people, run, message=HOSTILE)
    decide(
        people,
        review,
        reason=HOSTILE + "\n" + "x" * 3_000,
        conditions=HOSTILE,
        checklist=[{"text": HOSTILE, "done": False}],
    )
    factory.run_jobs()
    document = Document.objects.of(people.organisation).get(kind="countersigned")
    assert document.state == "ready", document.reason
    answer = check(document)
    assert answer.outcome == "intact", answer.details
    assert all(sentence.isprintable() for sentence in answer.details)
    text = words_of(pdf_of(document))
    assert '#panic("x") *bold* $x$ <script>alert(1)</script>' in text
    assert "‹U+202E›" in text
    html = files.read(people.organisation, document.html).decode()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "{{ 7*7 }}" in html


def test_revoking_is_recorded_shown_and_done_once() -> None:
    people = make_people()
    run = factory.measured_run(people)
    decide(people, submit(people, run))
    factory.run_jobs()
    document = Document.objects.of(people.organisation).get(kind="countersigned")
    with pytest.raises(BadInput, match="Say why"):
        revoke(document, people.reviewer, "  ")
    revoke(document, people.reviewer, "The labels were wrong.", "data")
    assert document.revoked_at is not None
    with pytest.raises(AssayError) as caught:
        revoke(document, people.owner, "again")
    assert caught.value.code == "conflict"
    entries = TrailEntry.objects.filter(organisation_id=people.organisation.pk, action="report.revoked")
    entry = entries.get()
    assert entry.actor_id == people.reviewer.pk
    assert "labels" not in str(entry.facts)
    assert verify_trail(people.organisation.pk) is None


def test_a_revoked_review_takes_its_countersigned_report_with_it() -> None:
    people = make_people()
    run = factory.measured_run(people)
    review = submit(people, run)
    decide(people, review)
    factory.run_jobs()
    review.revoked_by, review.revoked_reason = people.owner, "The policy was wrong."
    review_revoked.send(Review, review=review)
    document = Document.objects.of(people.organisation).get(kind="countersigned")
    assert (document.revoked_category, document.revoked_by) == ("decision", people.owner)
    certified = Document.objects.of(people.organisation).get(kind="certified")
    assert certified.revoked_at is None


def test_a_job_that_lost_its_document_stores_nothing() -> None:
    made = shelf()
    job = Job(pk=made.run.pk, target_id=made.draft.pk)
    recording.record_made(job, {"pdf": "0" * 64, "html": "0" * 64, "trail_head": "", "facts": {}})
    recording.record_failure(job, "late")
    assert Document.unscoped.get(pk=made.draft.pk).pdf == made.draft.pdf


def test_the_authority_lives_in_the_service_s_home() -> None:
    shelf()
    assert (Path(settings.ENV.home) / "authority" / "chain.pem").exists()
