"""Pages of reports for members."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from accounts.access import MemberRequest, member
from assay.errors import AssayError
from audits.models import Run
from compliance.words import today
from models_registry import files
from reports import services
from reports.codes import grouped
from reports.decision import public_address
from reports.forms import RevokeForm
from reports.models import Document
from reports.selectors import EDITIONS, editions_of
from reports.selectors import documents as documents_of
from reports.standing import standing_of

__all__ = ["document", "documents", "download", "html", "make", "of_run", "pdf", "revoke"]

_PAGE = 50
_SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'"


@member()
def documents(request: MemberRequest) -> HttpResponse:
    """All reports, newest first."""
    only = request.GET.get("show", "")
    page = Paginator(documents_of(request.organisation, only), _PAGE).get_page(request.GET.get("page"))
    now = today(request.organisation)
    return render(
        request,
        "reports/documents.html",
        {
            "page": page,
            "rows": [(found, standing_of(found, now)) for found in page],
            "editions": EDITIONS,
            "only": only if only in dict(EDITIONS) else "",
        },
    )


@member()
def document(request: MemberRequest, pk: object) -> HttpResponse:
    """One report: what it is, whether it stands, how to check it. Asks again every 2 s while being made."""
    found = _find(request, pk)
    now = today(request.organisation)
    template = "reports/state.html" if getattr(request, "htmx", False) else "reports/document.html"
    return render(
        request,
        template,
        {
            "document": found,
            "standing": standing_of(found, now),
            "editions": [(each, standing_of(each, now)) for each in editions_of(found.run)],
            "address": public_address(found.verification_code),
            "code": grouped(found.verification_code),
            "may_remake": found.kind == Document.Kind.DRAFT
            and found.superseded_by_id is None
            and found.state != Document.State.MAKING,
        },
    )


@member()
def pdf(request: MemberRequest, pk: object) -> HttpResponse:
    return download(_find(request, pk), "pdf")


@member()
def html(request: MemberRequest, pk: object) -> HttpResponse:
    return download(_find(request, pk), "html")


def download(found: Document, kind: str) -> HttpResponse:
    """A stored edition as an attachment, which no browser may run anything of. Raises Http404, BadInput."""
    if found.state != Document.State.READY:
        raise Http404
    content = files.read(found.organisation_id, found.pdf if kind == "pdf" else found.html)
    answer = HttpResponse(
        content, content_type="application/pdf" if kind == "pdf" else "text/html; charset=utf-8"
    )
    name = f"audit-{found.run.number}-{found.kind}.{kind}"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = _SANDBOX
    answer["Cache-Control"] = "private, no-store"
    return answer


@member()
def of_run(request: MemberRequest, run: object) -> HttpResponse:
    """The newest edition of an audit's report, for pages that do not know which there are."""
    subject = get_object_or_404(Run.objects.of(request.organisation), pk=run)
    newest = editions_of(subject).first()
    if newest is None:
        messages.info(request, f"No report of audit {subject.number} has been made yet.")
        return redirect("audits:run", request.organisation.slug, subject.pk)
    return redirect("reports:document", request.organisation.slug, newest.pk)


@member("audit")
@require_POST
def make(request: MemberRequest, run: object) -> HttpResponse:
    """Make a draft of a run's report; with `replacing`, afresh."""
    subject = get_object_or_404(Run.objects.of(request.organisation), pk=run)
    named = request.POST.get("replacing", "")
    replacing = editions_of(subject).filter(pk=named).first() if _is_uuid(named) else None
    found = services.request_document(subject, Document.Kind.DRAFT, request.user, replacing=replacing)
    return redirect("reports:document", request.organisation.slug, found.pk)


@member("revoke")
def revoke(request: MemberRequest, pk: object) -> HttpResponse:
    """Confirm, then revoke."""
    found = _find(request, pk)
    if found.revoked_at is not None:
        messages.info(request, "This report was revoked already.")
        return redirect("reports:document", request.organisation.slug, found.pk)
    form = RevokeForm(request.POST or None, label_suffix="")
    if request.method == "POST" and form.is_valid():
        try:
            services.revoke(found, request.user, form.cleaned_data["reason"], form.cleaned_data["category"])
        except AssayError as error:
            if error.code != "conflict":
                form.add_error(None, error.message)
                return render(request, "reports/revoke.html", {"document": found, "form": form}, status=400)
            messages.info(request, error.message)
        else:
            messages.success(request, "The report is revoked. Its public page says so from now on.")
        return redirect("reports:document", request.organisation.slug, found.pk)
    return render(
        request,
        "reports/revoke.html",
        {"document": found, "form": form},
        status=400 if request.method == "POST" else 200,
    )


def _find(request: MemberRequest, pk: object) -> Document:
    rows = Document.objects.of(request.organisation).select_related(
        "run__system", "run__organisation", "review", "created_by", "revoked_by", "superseded_by", "job"
    )
    found: Document = get_object_or_404(rows, pk=pk)
    return found


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
