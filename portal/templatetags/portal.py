"""Tags and filters that pages share: verdicts as icon and word, numbers, digests, times, rail links."""

from __future__ import annotations

from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

_MARKS = {
    "pass": "M2 8.5l4 4 8-9",
    "warn": "M8 2l6.5 12h-13z",
    "fail": "M3 3l10 10M13 3L3 13",
    "none": "M2.5 8h11",
    "open": "M8 2.5a5.5 5.5 0 1 0 .01 0z",
}
_OUTCOMES = {
    "pass": ("pass", "pass", "Passed"),
    "warn": ("warn", "warn", "Close"),
    "fail": ("fail", "fail", "Failed"),
    "insufficient": ("none", "open", "Undecided"),
    "not_tested": ("none", "none", "Not tested"),
    "measured": ("none", "none", "Measured only"),
}


@register.simple_tag
def verdict(outcome: str, word: str = "") -> SafeString:
    """An outcome as colour, icon and word: never by colour alone."""
    look, mark, usual = _OUTCOMES.get(outcome, ("none", "none", outcome or "No result"))
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


@register.simple_tag(takes_context=True)
def rail_link(context: dict[str, Any], title: str, name: str, count: int | None = None) -> SafeString:
    """A link of the rail; the one whose section is shown is marked."""
    target = reverse(name, args=[context["organisation"].slug])
    path = context["request"].path
    root = reverse("portal:organisation", args=[context["organisation"].slug])
    here = path == target or (target != root and path.startswith(target))
    shown = format_html(' <span class="count">{}</span>', count) if count else ""
    current = mark_safe(' aria-current="page"') if here else ""
    return format_html('<li><a href="{}"{}>{}{}</a></li>', target, current, title, shown)


@register.filter
def digest(value: str) -> str:
    """A digest, shortened for reading."""
    return f"{value[:8]}…{value[-4:]}" if value and len(value) > 16 else value
