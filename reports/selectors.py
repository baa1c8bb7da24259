"""Reports as pages and lists read them."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.models import Organisation
from audits.models import Run
from reports.models import Document

__all__ = ["EDITIONS", "documents", "editions_of", "find_public", "know_pdf"]

EDITIONS = (
    ("", "All"),
    ("draft", "Drafts"),
    ("certified", "Certified"),
    ("countersigned", "Countersigned"),
    ("revoked", "Revoked"),
)
"""Filters of the list."""


def documents(organisation: Organisation, only: str = "") -> QuerySet[Document]:
    """All reports of an organisation, newest first, with what a row of the list shows."""
    rows = (
        Document.objects.of(organisation)
        .select_related("run__system", "run__organisation", "review", "created_by")
        .defer(
            "run__plan", "run__params", "run__methods", "run__counts", "review__basis", "review__checklist"
        )
        .order_by("-created_at", "pk")
    )
    if only == "revoked":
        return rows.filter(revoked_at__isnull=False)
    return rows.filter(kind=only) if only in Document.Kind.values else rows


def editions_of(run: Run) -> QuerySet[Document]:
    """Every edition of a run's report, newest first."""
    found: QuerySet[Document] = (
        Document.objects.of(run.organisation_id)
        .filter(run=run)
        .select_related("review", "run")
        .order_by("-created_at", "pk")
    )
    return found


def find_public(code: str) -> Document | None:
    """The report behind a verification code, of whichever organisation: the code is the permission."""
    return _public().filter(verification_code=code).first()


def know_pdf(sha256: str) -> Document | None:
    """The report whose PDF this is, byte for byte."""
    return _public().filter(pdf=sha256).first()


def _public() -> QuerySet[Document]:
    documents = Document.unscoped  # public: whoever knows the code or holds the PDF may ask
    return documents.select_related("organisation", "run__system", "review")
