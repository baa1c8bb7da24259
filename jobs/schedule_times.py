"""When a cron expression is due, in a time zone with its gaps and repeated hours.

A set time that a clock change skips is due at the first moment after the gap; one that a clock change
repeats is due once, the first time. Expressions with a * in minute or hour count every passing hour. (As
Debian's cron does it.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from assay.errors import BadInput

__all__ = ["Due", "check_cron", "due_times", "in_words", "next_times", "zone_of"]

_MOST_STEPS = 50_000
_EXAMPLE = 'Write five fields: minute, hour, day of month, month, day of week, such as "0 3 * * mon".'


class Due(NamedTuple):
    """Times that have come: the latest of them in order, and how many there were in all."""

    times: tuple[datetime, ...]
    total: int


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that IANA name; UTC where it is not known here."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def check_cron(cron: str) -> str:
    """The expression with single blanks.

    Raises:
        BadInput: which field is wrong, with an example.
    """
    fields = cron.split()
    shown = " ".join(fields)[:60]
    if len(fields) != 5:
        raise BadInput(f'"{shown}" has {len(fields)} fields. {_EXAMPLE}')
    if len(" ".join(fields)) > 120:
        raise BadInput(f'"{shown}…" is longer than 120 characters. {_EXAMPLE}')
    try:
        next(CronSim(" ".join(fields), datetime(2026, 1, 1)))
    except CronSimError as error:
        what = str(error).removeprefix("Bad ").replace("-", " ")
        raise BadInput(f'The {what} of "{shown}" cannot be read, or never comes. {_EXAMPLE}') from None
    except StopIteration:
        raise BadInput(f'"{shown}" never comes. {_EXAMPLE}') from None
    return " ".join(fields)


def in_words(cron: str) -> str:
    """The expression in English: "At 03:00 every Monday"."""
    return str(CronSim(cron, datetime(2026, 1, 1)).explain())


def next_times(cron: str, zone: ZoneInfo, after: datetime, count: int = 1) -> list[datetime]:
    """The next times after that moment, in UTC."""
    return list(islice(_times(cron, zone, after), count))


def due_times(cron: str, zone: ZoneInfo, first: datetime, now: datetime, keep: int) -> Due:
    """Times from `first` (itself due) to `now`.

    Returns:
        The latest `keep` of them; `total` is at most 50,000, whatever the downtime was.
    """
    kept = deque([first], maxlen=keep)
    total = 1
    for time in _times(cron, zone, first):
        if time > now:
            return Due(tuple(kept), total)
        if total == _MOST_STEPS:
            break
        kept.append(time)
        total += 1
    else:
        return Due(tuple(kept), total)
    # So many in so short a time that the latest are found close by.
    latest = deque((t for t in _until(cron, zone, now - timedelta(days=3), now)), maxlen=keep)
    return Due(tuple(latest or kept), total)


def _until(cron: str, zone: ZoneInfo, after: datetime, now: datetime) -> Iterator[datetime]:
    for time in _times(cron, zone, after):
        if time > now:
            return
        yield time


def _times(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Strictly rising: two set times that one gap moves to the same moment are one."""
    last = after.astimezone(UTC)
    for local in CronSim(cron, after.astimezone(zone)):
        time = local.astimezone(UTC)
        if time > last:
            last = time
            yield time
