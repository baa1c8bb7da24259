"""Checking what people type, and the dates and lists of sentences."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from django.utils import timezone

from accounts.models import Organisation
from assay.errors import BadInput

__all__ = ["MOST", "checked", "day", "joined", "moment", "today"]

MOST = 4_000
"""Characters of a reason or a reply; it has to fit the report."""


def checked(text: str, what: str, *, required: bool = True, most: int = MOST) -> str:
    """`text` without blanks around it.

    Raises:
        BadInput: it is missing, too long, or holds a character that cannot be stored.
    """
    text = text.strip()
    if required and not text:
        raise BadInput(f"{what} is missing.")
    if len(text) > most:
        raise BadInput(f"{what} has {len(text):,} characters; at most {most:,} fit.")
    if "\x00" in text:
        raise BadInput(f"{what} holds a NUL character, which cannot be stored.")
    return text


def today(organisation: Organisation) -> dt.date:
    """The date where the organisation is."""
    return timezone.localdate(timezone=ZoneInfo(organisation.timezone))


def day(date: dt.date) -> str:
    """ "31 March 2027"."""
    return f"{date.day} {date:%B %Y}"


def moment(at: dt.datetime, organisation: Organisation) -> str:
    """ "31 March 2027, 14:02 UTC", in the organisation's time zone."""
    local = at.astimezone(ZoneInfo(organisation.timezone))
    return f"{day(local.date())}, {local:%H:%M %Z}"


def joined(parts: Sequence[str]) -> str:
    """ "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
