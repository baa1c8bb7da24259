"""The API of uploads: announce a file, send it in chunks, finish it; whatever broke, ask where to go on."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Header, Query, Router, Status

from accounts.api_auth import ApiRequest, require
from assay.errors import BadInput
from models_registry import services
from models_registry.models import Upload
from models_registry.request_bodies import reader_of
from models_registry.schemas import FinishIn, StoredOut, UploadIn, UploadOut
from models_registry.uploads import WrongOffset

__all__ = ["conflict", "offset_of", "received", "router"]

router = Router(tags=["uploads"])
_REST = 1 << 16
_RANGE = re.compile(r"bytes (\d{1,16})-(\d{1,16})/(\d{1,16}|\*)")
_RAW = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("/uploads", response={201: UploadOut}, summary="Announce a file")
def begin(request: Any, body: UploadIn) -> Any:
    request = require(request, "register")
    return Status(201, services.begin_upload(request.organisation, body.name, body.size, request.user))


@router.get("/uploads/{upload_id}", response=UploadOut, summary="Where an upload stands")
def state(request: Any, upload_id: UUID) -> Any:
    """`received` is where the next chunk begins."""
    request = require(request, "register")
    return _upload(request, upload_id)


@router.api_operation(
    ["PATCH", "PUT"],
    "/uploads/{upload_id}",
    response=UploadOut,
    summary="Send a chunk",
    openapi_extra=_RAW,
)
def chunk(
    request: Any,
    upload_id: UUID,
    offset: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    content_range: Annotated[str | None, Header(alias="Content-Range", max_length=100)] = None,
    chunk_sha256: Annotated[str | None, Header(alias="Chunk-SHA256", pattern=r"^[0-9a-fA-F]{64}$")] = None,
) -> Any:
    """Raw bytes, up to the whole file (16 MiB with a Chunk-SHA256), that begin at `offset` (or as
    Content-Range says). A request that breaks off, or takes longer than ten minutes, counts as far as it
    came. A chunk that is there already changes nothing; one that begins elsewhere is a 409 whose `received`
    says where to go on."""
    request = require(request, "register")
    upload = _upload(request, upload_id)
    start = offset_of(offset, content_range)
    try:
        return received(request, upload, start, chunk_sha256)
    except WrongOffset as error:
        return conflict(error)


@router.post("/uploads/{upload_id}/finish", response=StoredOut, summary="Finish an upload")
def finish(request: Any, upload_id: UUID, body: FinishIn | None = None) -> Any:
    """Store the file under its digest; `sha256` is checked where it is given. Doing it again is harmless."""
    request = require(request, "register")
    upload = _upload(request, upload_id)
    try:
        stored = services.finish_upload(upload, body.sha256 if body else None)
    except WrongOffset as error:
        return conflict(error)
    return {"upload": upload.pk, "sha256": stored.sha256, "size": stored.size}


def received(request: HttpRequest, upload: Upload, offset: int, sha256: str | None) -> Upload:
    """The upload with the raw body of the request added to it.

    Raises:
        BadInput: as `services.receive`; the body is too long, or nobody said how long it is.
        WrongOffset: as `services.receive`.
    """
    if "HTTP_TRANSFER_ENCODING" in request.META:
        raise BadInput("A chunk comes with its Content-Length, not in pieces without one.")
    if int(request.META.get("CONTENT_LENGTH") or 0) > upload.size:
        raise BadInput(f"{upload.name} was announced with {upload.size:,} bytes; this chunk alone has more.")
    readinto = reader_of(request)
    try:
        return services.receive(upload, offset, readinto, sha256)
    finally:
        # Who is still sending would find a closed connection in the place of the answer.
        rest = memoryview(bytearray(_REST))
        while readinto(rest):
            pass


def offset_of(offset: int | None, content_range: str | None) -> int:
    """Where a chunk begins, by parameter or header. Raises BadInput where neither says so."""
    if offset is not None:
        return offset
    found = _RANGE.fullmatch(content_range or "")
    if found is None:
        raise BadInput("Say where the chunk begins: ?offset=0, or Content-Range: bytes 0-99/1000.")
    return int(found[1])


def conflict(error: WrongOffset) -> HttpResponse:
    """409 with the place to go on from."""
    body = {
        "type": "about:blank",
        "title": "Cannot be done",
        "status": 409,
        "detail": error.message,
        "code": error.code,
        "received": error.received,
    }
    answer = HttpResponse(json.dumps(body), status=409, content_type="application/problem+json")
    answer["Upload-Offset"] = str(error.received)
    return answer


def _upload(request: ApiRequest, key: UUID) -> Upload:
    """Of the caller alone: a colleague's is as hidden as a stranger's."""
    found: Upload = get_object_or_404(
        Upload.objects.of(request.organisation).filter(by=request.user).select_related("file"), pk=key
    )
    return found
