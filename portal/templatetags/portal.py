"""Tags and filters that pages share: verdicts as icon and word, numbers, digests, times, rail links."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.forms import BoundField
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

_MARKS = {
    "pass": "M2 8.5l4 4 8-9",
    "warn": "M8 2l6.5 12h-13z",
    "fail": "M3 3l10 10M13 3L3 13",
    "none": "M2.5 8h11",
    "open": "M8 2.5a5.5 5.5 0 1 0 .01 0z",
    "wait": "M8 2.5a5.5 5.5 0 1 0 .01 0zM8 5v3.2l2.2 1.6",
    "run": "M4.5 3l8 5-8 5z",
}
_OUTCOMES = {
    "pass": ("pass", "pass", "Passed"),
    "warn": ("warn", "warn", "Close"),
    "fail": ("fail", "fail", "Failed"),
    "insufficient": ("none", "open", "Undecided"),
    "not_tested": ("none", "none", "Not tested"),
    "measured": ("none", "none", "Measured only"),
}
# States of runs, jobs, intakes, reviews and stages; one look for one word everywhere.
_STATES = {
    "draft": ("none", "open", "Draft"),
    "waiting": ("none", "wait", "Waiting"),
    "reading": ("none", "run", "Being read"),
    "running": ("none", "run", "Running"),
    "cancelling": ("none", "wait", "Being cancelled"),
    "done": ("pass", "pass", "Done"),
    "ready": ("pass", "pass", "Ready"),
    "incomplete": ("warn", "warn", "Incomplete"),
    "failed": ("fail", "fail", "Failed"),
    "refused": ("fail", "fail", "Refused"),
    "cancelled": ("none", "none", "Cancelled"),
    "submitted": ("none", "wait", "Submitted"),
    "in_review": ("none", "run", "In review"),
    "changes": ("warn", "warn", "Changes requested"),
    "approved": ("pass", "pass", "Approved"),
    "rejected": ("fail", "fail", "Rejected"),
    "withdrawn": ("none", "none", "Withdrawn"),
    "stale": ("warn", "warn", "Stale"),
    "revoked": ("fail", "fail", "Revoked"),
}


@register.simple_tag
def verdict(outcome: str, word: str = "") -> SafeString:
    """An outcome as colour, icon and word: never by colour alone."""
    look, mark, usual = _OUTCOMES.get(outcome, ("none", "none", outcome or "No result"))
    return status(look, mark, word or usual)


@register.simple_tag
def state(value: str, word: str = "") -> SafeString:
    """The state of a run, a job, an intake or a review, as colour, icon and word."""
    look, mark, usual = _STATES.get(str(value), ("none", "none", str(value)))
    return status(look, mark, word or usual)


@register.simple_tag
def status(look: str, mark: str, word: str) -> SafeString:
    """Any state as colour (pass, warn, fail, none), icon and word."""
    return format_html(
        '<span class="verdict {}"><svg viewBox="0 0 16 16" aria-hidden="true" focusable="false">'
        '<path d="{}" stroke="currentColor" stroke-width="2.2" fill="none"/></svg>{}</span>',
        look,
        mark_safe(_MARKS[mark]),
        word,
    )


_INSIDE = {"models_registry:systems": ("models/", "model-versions/", "datasets/", "dataset-versions/")}
"""Pages of a section whose addresses do not begin with it."""


@register.simple_tag(takes_context=True)
def rail_link(context: dict[str, Any], title: str, name: str, count: int | None = None) -> SafeString:
    """A link of the rail; the one whose section is shown is marked."""
    target = reverse(name, args=[context["organisation"].slug])
    path = context["request"].path
    root = reverse("portal:organisation", args=[context["organisation"].slug])
    inside = [target, *(root + part for part in _INSIDE.get(name, ()))]
    here = path == target or (target != root and any(path.startswith(part) for part in inside))
    shown = format_html(' <span class="count">{}</span>', count) if count else ""
    current = mark_safe(' aria-current="page"') if here else ""
    return format_html('<li><a href="{}"{}>{}{}</a></li>', target, current, title, shown)


@register.simple_tag(takes_context=True)
def when(context: Any, moment: datetime | date | float | None, empty: str = "–") -> SafeString | str:
    """A moment in the organisation's time zone: 28 Nov 2026, 14:02. Seconds since 1970 and dates do too."""
    if moment is None or moment == "":
        return empty
    if isinstance(moment, date) and not isinstance(moment, datetime):
        return format_html('<time datetime="{}">{}</time>', moment.isoformat(), _day(moment))
    if isinstance(moment, int | float):
        moment = datetime.fromtimestamp(moment, UTC)
    organisation = context.get("organisation") if context else None
    zone = ZoneInfo(organisation.timezone) if organisation else timezone.get_current_timezone()
    local = moment.astimezone(zone)
    return format_html(
        '<time datetime="{}" title="{}">{}, {}</time>',
        moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        local.strftime("%H:%M:%S %Z"),
        _day(local),
        local.strftime("%H:%M"),
    )


def _day(moment: date) -> str:
    return f"{moment.day} {moment.strftime('%b %Y')}"


@register.filter
def digest(value: str) -> str:
    """A digest, shortened for reading."""
    return f"{value[:8]}…{value[-4:]}" if value and len(value) > 16 else value


@register.filter
def input_type(field: BoundField) -> str:
    """What kind of control a form field is: text, checkbox, select, ..."""
    return str(getattr(field.field.widget, "input_type", ""))
