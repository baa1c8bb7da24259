"""A shelf of reports, all really made: draft, certified, countersigned; built once in a test process."""

from __future__ import annotations

import io
import subprocess
from datetime import date
from functools import cache
from typing import Any, NamedTuple

import pikepdf
from django.db import transaction
from django.utils import timezone

from audits.models import Finding, Run
from compliance.models import Reply, Review, ReviewState
from compliance.signals import review_decided, review_submitted
from models_registry import files
from reports.models import Document
from tests import factory
from tests.conftest import People, make_people

__all__ = ["HOSTILE", "Shelf", "add_reports", "attached", "decide", "pdf_of", "shelf", "submit", "words_of"]

HOSTILE = '#panic("x") *bold* $x$ <script>alert(1)</script> [a](b) \\u{202e} {{ 7*7 }} 審査 \' " & \u202e\x07'
"""Markup of typst, HTML, Django and a terminal in one text."""


class Shelf(NamedTuple):
    people: People
    run: Run
    review: Review
    draft: Document
    certified: Document
    countersigned: Document


def submit(people: People, run: Run, **more: Any) -> Review:
    """As the review flow does: the row and the signal in one transaction."""
    with transaction.atomic():
        number = Review.objects.of(people.organisation).count() + 1
        review: Review = Review.objects.create(
            organisation=people.organisation,
            number=number,
            run=run,
            snapshot_digest=run.snapshot_digest,
            requested_by=people.engineer,
            **{"message": "Please look at the ratio over sex.", **more},
        )
        review_submitted.send(Review, review=review)
    return review


def decide(people: People, review: Review, state: str = "approved", **more: Any) -> None:
    values = {
        "reason": "The gap is known and mended.",
        "conditions": "Audit again after 10,000 loans.",
        "valid_until": date(2099, 11, 27),
        "checklist": [{"text": "I have read every failed rule", "done": True}],
        **more,
    }
    with transaction.atomic():
        for name, value in values.items():
            setattr(review, name, value)
        review.state, review.reviewer = ReviewState(state), people.reviewer
        review.decided_at = timezone.now()
        review.save()
        review_decided.send(Review, review=review)


def reply(people: People, run: Run, text: str, **more: Any) -> Reply:
    finding = Finding.objects.of(people.organisation).first() or Finding.objects.create(
        organisation=people.organisation,
        number=118,
        system=run.system,
        key="k",
        title="Impact ratio, sex",
        pillar="fairness",
        severity="high",
    )
    made: Reply = Reply.objects.create(
        organisation=people.organisation, finding=finding, run=run, text=text, by=people.engineer, **more
    )
    return made


@cache
def shelf() -> Shelf:
    """Needs the fixture `committed`; rows stay until the process ends."""
    from tests.sample import policy_version

    people = make_people()
    run = factory.measured_run(people, policy=policy_version(people))
    countersigned = add_reports(people, run)
    draft, certified = (
        Document.objects.of(people.organisation).get(kind=kind)
        for kind in (Document.Kind.DRAFT, Document.Kind.CERTIFIED)
    )
    assert countersigned.review is not None
    return Shelf(people, run, countersigned.review, draft, certified, countersigned)


def add_reports(people: People, run: Run) -> Document:
    """The three editions of a run's report, in order; returns the countersigned one."""
    from reports.services import request_document

    request_document(run, Document.Kind.DRAFT, people.engineer)
    factory.run_jobs()
    reply(people, run, "We will retrain.", action="Reweigh", due=date(2027, 1, 31))
    review = submit(people, run)
    factory.run_jobs()
    decide(people, review)
    factory.run_jobs()
    found: Document = Document.objects.of(people.organisation).get(review=review, kind="countersigned")
    return found


def pdf_of(document: Document) -> bytes:
    return files.read(document.organisation_id, document.pdf)


def words_of(pdf: bytes, *options: str) -> str:
    done = subprocess.run(["pdftotext", *options, "-", "-"], input=pdf, capture_output=True, check=True)
    return " ".join(done.stdout.decode().split())


def attached(pdf: bytes, name: str) -> bytes:
    with pikepdf.open(io.BytesIO(pdf)) as document:
        return bytes(document.attachments[name].get_file().read_bytes())
