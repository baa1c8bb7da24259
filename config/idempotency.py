"""Idempotency keys of the API: the same request sent twice is done once and answered alike.

A client that lost the connection sends `Idempotency-Key` again and gets the first answer. Keys belong to a
token and are kept for a day. Source: the IETF draft "The Idempotency-Key HTTP Header Field".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.models import IdempotentRequest

__all__ = ["Idempotency"]

_KEPT = timedelta(days=1)
_ABANDONED = timedelta(minutes=2)
"""After this long a request without an answer was lost with its process, and may be sent again."""
_CHANGES = ("POST", "PUT", "PATCH", "DELETE")


class Idempotency:
    """Middleware over /api/: looks at changes that carry a key; everything else passes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        key = request.headers.get("Idempotency-Key", "")
        changes = request.method in _CHANGES and request.path.startswith("/api/")
        if not key or not changes or _is_upload(request):
            return self._get_response(request)
        from config.api import problem

        if len(key) > 200:
            return problem(400, "Cannot be done", "An Idempotency-Key has at most 200 characters.")
        caller = hashlib.sha256(request.headers.get("Authorization", "").encode()).hexdigest()
        asked = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode() + request.body)
        IdempotentRequest.objects.filter(created_at__lt=timezone.now() - _KEPT).delete()
        known = _begin(caller, key, asked.hexdigest())
        if known is None:
            return self._first(request, caller, key)
        if known.request_digest != asked.hexdigest():
            return problem(422, "Not valid", "This Idempotency-Key was sent with another request before.")
        if known.status is None:
            return problem(409, "Cannot be done", "The first request with this Idempotency-Key still runs.")
        answer = HttpResponse(bytes(known.body or b""), status=known.status, content_type=known.content_type)
        answer["Idempotent-Replayed"] = "true"
        return answer

    def _first(self, request: HttpRequest, caller: str, key: str) -> HttpResponse:
        mine = IdempotentRequest.objects.filter(caller=caller, key=key)
        try:
            answer = self._get_response(request)
        except BaseException:
            mine.delete()
            raise
        if answer.status_code >= 500 or answer.status_code in (401, 429) or answer.streaming:
            mine.delete()
        else:
            mine.update(
                status=answer.status_code,
                content_type=answer.headers.get("Content-Type", ""),
                body=answer.content,
            )
        return answer


def _begin(caller: str, key: str, digest: str) -> IdempotentRequest | None:
    """Claim the key; the row of whoever claimed it first, or None for us."""
    try:
        with transaction.atomic():
            IdempotentRequest.objects.create(caller=caller, key=key, request_digest=digest)
        return None
    except IntegrityError:
        known = IdempotentRequest.objects.filter(caller=caller, key=key).first()
    if known is None or (known.status is None and known.created_at < timezone.now() - _ABANDONED):
        IdempotentRequest.objects.filter(caller=caller, key=key, status=None).delete()
        return _begin(caller, key, digest)
    return known


def _is_upload(request: HttpRequest) -> bool:
    """Chunks of uploads, whatever their content type says: each carries its offset, which makes it safe to
    repeat without a key, and its body is for nobody else to read."""
    return request.method in ("PATCH", "PUT") and request.path.startswith("/api/v1/uploads/")
