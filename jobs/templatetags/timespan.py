"""Spans of time for readers."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def span(seconds: float | None) -> str:
    """`4 s`, `3 min`, `2 h`, `5 days`; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    if seconds < 129_600:
        return f"{seconds / 3_600:.0f} h"
    return f"{seconds / 86_400:.0f} days"
