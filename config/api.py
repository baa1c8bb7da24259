"""The API: every app's router under one roof, tokens, and errors as problem+json (RFC 9457)."""

from __future__ import annotations

import json
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from accounts.api import router as accounts_router
from accounts.api_auth import ApiForbidden, TokenAuth
from accounts.trail_api import router as trail_router
from assay import __version__
from assay.errors import AssayError, BadInput
from audits.api import router as audits_router
from compliance.api import router as compliance_router
from jobs.api import router as jobs_router
from models_registry.api import router as registry_router
from remediations.api import router as remediations_router
from reports.api import router as reports_router

__all__ = ["api"]

api = NinjaAPI(
    title="Assay",
    version=__version__,
    description="Measured evidence bound to a signed decision.",
    auth=TokenAuth(),
    urls_namespace="api",
    docs_url=None,
)
for _router in (
    accounts_router,
    registry_router,
    audits_router,
    remediations_router,
    compliance_router,
    reports_router,
    jobs_router,
    trail_router,
):
    api.add_router("", _router)


def problem(status: int, title: str, detail: str, **more: Any) -> HttpResponse:
    """An error as application/problem+json; each 400 has a code."""
    if status == 400:
        more.setdefault("code", BadInput.code)
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return HttpResponse(json.dumps(body), status=status, content_type="application/problem+json")


@api.exception_handler(AuthenticationError)
def _unauthenticated(_request: HttpRequest, _error: Any) -> HttpResponse:
    answer = problem(401, "Not signed in", "Send Authorization: Bearer with a token that is valid.")
    answer["WWW-Authenticate"] = "Bearer"
    return answer


@api.exception_handler(ApiForbidden)
def _forbidden(_request: HttpRequest, error: Any) -> HttpResponse:
    return problem(403, "Not allowed", str(error))


@api.exception_handler(Http404)
def _missing(_request: HttpRequest, _error: Any) -> HttpResponse:
    return problem(404, "Not found", "There is no such thing in your organisation.")


@api.exception_handler(ValidationError)
def _invalid(_request: HttpRequest, error: Any) -> HttpResponse:
    places = [{"where": ".".join(str(part) for part in e["loc"][1:]), "what": e["msg"]} for e in error.errors]
    return problem(422, "Not valid", "; ".join(f"{p['where']}: {p['what']}" for p in places), errors=places)


@api.exception_handler(AssayError)
def _bad_input(_request: HttpRequest, error: Any) -> HttpResponse:
    return problem(409 if error.code == "conflict" else 400, "Cannot be done", error.message, code=error.code)


@api.exception_handler(HttpError)
def _http_error(_request: HttpRequest, error: Any) -> HttpResponse:
    return problem(error.status_code, "Cannot be done", str(error))
