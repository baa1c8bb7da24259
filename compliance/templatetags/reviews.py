"""What reviews show on pages of the apps below them."""

from __future__ import annotations

from typing import Any

from django import template

from compliance.models import Reply
from compliance.selectors import rows, with_names

register = template.Library()


@register.inclusion_tag("compliance/finding_replies.html", takes_context=True)
def finding_replies(context: dict[str, Any], finding: Any) -> dict[str, Any]:
    """Management's replies to a finding, newest first, and the way to another one."""
    organisation = context["organisation"]
    replies = Reply.objects.of(organisation).filter(finding=finding).select_related("by", "run")
    return {
        "organisation": organisation,
        "finding": finding,
        "replies": replies.order_by("-at"),
        "may_reply": context["can"]["reply"],
    }


@register.inclusion_tag("compliance/run_reviews.html", takes_context=True)
def run_reviews(context: dict[str, Any], run: Any) -> dict[str, Any]:
    """The reviews of an audit and how they stand, as facts of its page."""
    found = with_names(context["organisation"]).filter(run=run).order_by("number")
    return {"organisation": context["organisation"], "lines": rows(found, context["request"].user)}
