"""A PDF that a stranger uploads, checked in the inspection child; nothing of it is stored."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

from assay.report.authority import AuthorityError, find_authority
from assay.report.verify import Verification, verify
from reports.models import Document
from reports.selectors import know_pdf

__all__ = ["MAX_UPLOAD", "Checked", "allow", "check", "place"]

MAX_UPLOAD = 32 * 2**20
"""Bytes; the largest report that was ever seen has 3 MB."""
_SECONDS = 60
_AT_ONCE = threading.BoundedSemaphore(2)
"""Each check starts a child that may take a core for 40 s."""


class Checked(NamedTuple):
    """What the file itself says, and the report that it is if this service made it."""

    result: Verification
    sha256: str
    document: Document | None


def check(data: bytes) -> Checked:
    """Verify as `assay verify` does, under this installation's own authority."""
    try:
        authority = find_authority(settings.ENV.home)
    except AuthorityError:
        authority = None
    sha256 = hashlib.sha256(data).hexdigest()
    return Checked(verify(data, authority=authority), sha256, know_pdf(sha256))


@contextmanager
def place() -> Iterator[bool]:
    """`with place() as free`: free is False while as many checks as may run are running."""
    held = _AT_ONCE.acquire(blocking=False)
    try:
        yield held
    finally:
        if held:
            _AT_ONCE.release()


def allow(request: HttpRequest, what: str, most: int) -> bool:
    """Whether this address has asked at most `most` times for `what` within the minute.

    Counted in each web process alone: enough to make guessing and flooding dull, and guessing 120 bits needs
    no further guard.
    """
    key = f"verify:{what}:{request.META.get('REMOTE_ADDR', '')}"
    if cache.add(key, 1, _SECONDS):
        return True
    try:
        return cache.incr(key) <= most
    except ValueError:
        return True
