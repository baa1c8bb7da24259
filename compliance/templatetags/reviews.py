"""What reviews show on pages of the apps below them."""

from __future__ import annotations

from typing import Any

from django import template

from compliance.models import Reply

register = template.Library()


@register.inclusion_tag("compliance/finding_replies.html", takes_context=True)
def finding_replies(context: dict[str, Any], finding: Any) -> dict[str, Any]:
    """Management's replies to a finding, newest first, and the way to another one."""
    organisation = context["organisation"]
    rows = Reply.objects.of(organisation).filter(finding=finding).select_related("by", "run")
    return {
        "organisation": organisation,
        "finding": finding,
        "replies": rows.order_by("-at"),
        "may_reply": context["can"]["reply"],
    }
