"""The chunk endpoints for the portal's own pages: the services of the API, by session and CSRF token."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import member
from assay.errors import AssayError, BadInput
from models_registry import services
from models_registry.models import Upload
from models_registry.uploads import WrongOffset
from models_registry.uploads_api import offset_of, received

__all__ = ["begin", "finish", "upload"]


@member("register")
@require_POST
def begin(request: Any) -> HttpResponse:
    """name, size -> the upload's state."""
    try:
        size = request.POST.get("size", "")
        if not size.isascii() or not size.isdigit() or len(size) > 16:
            raise BadInput("Say how many bytes the file has.")
        made = services.begin_upload(
            request.organisation, request.POST.get("name", ""), int(size), request.user
        )
    except AssayError as error:
        return _told(error)
    return JsonResponse(_state(made), status=201)


@member("register")
@require_http_methods(["GET", "PATCH"])
def upload(request: Any, pk: uuid.UUID) -> HttpResponse:
    """Where it stands; with PATCH ?offset=, a chunk."""
    found = _of(request, pk)
    if request.method == "GET":
        return JsonResponse(_state(found))
    said = request.GET.get("offset", "")
    try:
        offset = offset_of(int(said) if said.isascii() and said.isdigit() and len(said) < 17 else None, None)
        digest = request.headers.get("Chunk-SHA256")
        return JsonResponse(_state(received(request, found, offset, digest)))
    except AssayError as error:
        return _told(error)


@member("register")
@require_POST
def finish(request: Any, pk: uuid.UUID) -> HttpResponse:
    """Store the file under its digest."""
    found = _of(request, pk)
    try:
        stored = services.finish_upload(found)
    except AssayError as error:
        return _told(error)
    return JsonResponse({**_state(found), "finished": True, "sha256": stored.sha256})


def _of(request: Any, pk: uuid.UUID) -> Upload:
    found: Upload = get_object_or_404(Upload.objects.of(request.organisation).filter(by=request.user), pk=pk)
    return found


def _state(upload: Upload) -> dict[str, Any]:
    return {
        "id": str(upload.pk),
        "name": upload.name,
        "size": upload.size,
        "received": upload.received,
        "finished": upload.file_id is not None,
    }


def _told(error: AssayError) -> JsonResponse:
    more = {"received": error.received} if isinstance(error, WrongOffset) else {}
    return JsonResponse({"detail": error.message, **more}, status=409 if error.code == "conflict" else 400)
