"""The public pages: does a report still stand, and is this file whole? They say what the report itself says
publicly, and no more."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from assay.report.authority import AuthorityError, find_authority
from assay.report.certificates import fingerprint
from compliance.words import today
from reports.checking import MAX_UPLOAD, allow, check, place
from reports.codes import grouped, read_code
from reports.models import Document
from reports.selectors import find_public
from reports.standing import Standing, standing_of

__all__ = ["ask", "certificate", "standing"]

_LOOKUPS = 60
_UPLOADS = 6
"""A minute and address."""
_ROOM = 64 * 1024
"""What a form may hold besides the file."""


# No cookie counts here and nothing is changed, so there is nothing that a forged form could do; and the size
# can be refused before the body is read.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """A form for a code or a file; a file is checked and forgotten."""
    if request.method != "POST":
        return _code(request, request.GET.get("code", "")) if "code" in request.GET else _form(request)
    if not allow(request, "upload", _UPLOADS):
        return _form(request, "Too many files were sent from your address. Try again in a minute.", 429)
    length = str(request.META.get("CONTENT_LENGTH") or "0")
    if not length.isdigit() or int(length) > MAX_UPLOAD + _ROOM:
        return _form(request, f"The file is larger than {MAX_UPLOAD // 2**20} MB; no report is.", 413)
    sent = request.FILES.get("report")
    if sent is None or not sent.size:
        return _form(request, "Choose the PDF file of a report.", 400)
    if sent.size > MAX_UPLOAD:
        return _form(request, f"The file is larger than {MAX_UPLOAD // 2**20} MB; no report is.", 413)
    with place() as free:
        if not free:
            return _form(request, "Other files are being checked just now. Try again in a minute.", 503)
        found = check(sent.read())
    return render(
        request,
        "reports/checked.html",
        {
            "checked": found,
            "result": found.result,
            "name": sent.name,
            "document": found.document,
            "standing": _standing(found.document) if found.document else None,
        },
    )


@never_cache
@require_GET
def standing(request: HttpRequest, code: str) -> HttpResponse:
    """Whether the report with this code still stands."""
    if not allow(request, "code", _LOOKUPS):
        return _form(request, "Too many codes were asked for from your address. Try again in a minute.", 429)
    known = read_code(code)
    found = find_public(known) if known else None
    if found is None:
        return render(request, "reports/unknown.html", {"code": code[:60]}, status=404)
    return render(request, "reports/public.html", _public(found))


@never_cache
@require_GET
def certificate(request: HttpRequest) -> HttpResponse:
    """The authority's certificate, for `assay verify --trust`. Holds no secret."""
    try:
        authority = find_authority(settings.ENV.home)
    except AuthorityError:
        authority = None
    if authority is None:
        raise Http404
    answer = HttpResponse(authority.certificate_pem(), content_type="application/x-pem-file")
    answer["Content-Disposition"] = 'attachment; filename="assay-authority.pem"'
    return answer


def _code(request: HttpRequest, typed: str) -> HttpResponse:
    known = read_code(typed)
    if known is None:
        return _form(
            request, "A code has 24 letters and digits. It stands in the report's first chapter.", 400, typed
        )
    return redirect("verify:standing", known)


def _form(request: HttpRequest, error: str = "", status: int = 200, typed: str = "") -> HttpResponse:
    where = "code" if typed or "code" in request.GET else "report"
    shown = {"error": error, "where": where, "typed": typed[:200], "most": MAX_UPLOAD // 2**20}
    return render(request, "reports/ask.html", shown, status=status)


def _standing(document: Document) -> Standing:
    return standing_of(document, today(document.organisation))


def _public(document: Document) -> dict[str, Any]:
    """Everything that the page may show."""
    try:
        authority = find_authority(settings.ENV.home)
    except AuthorityError:
        authority = None
    return {
        "standing": _standing(document),
        "issuer": document.organisation.name,
        "system": document.run.system.name,
        "edition": document.get_kind_display(),
        "facts": document.facts,
        "made_at": document.made_at,
        "revoked_at": document.revoked_at,
        "pdf": document.pdf if document.state == Document.State.READY else "",
        "snapshot": document.snapshot_digest,
        "trail_head": document.trail_head,
        "code": grouped(document.verification_code),
        "fingerprint": fingerprint(authority.root) if authority is not None else "",
    }
