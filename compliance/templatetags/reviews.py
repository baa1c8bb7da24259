"""What reviews show on pages of the apps below them."""

from __future__ import annotations

from typing import Any

from django import template

from compliance.models import Reply, Review
from compliance.selectors import OPEN, rows, with_names

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


@register.inclusion_tag("compliance/submit_button.html", takes_context=True)
def submit_button(context: dict[str, Any], run: Any, main: bool) -> dict[str, Any]:
    """The way to the reviewers: submitting the audit, or the review that it is in already.

    Args:
        main: whether this is what the page suggests next.
    """
    organisation = context["organisation"]
    waiting = Review.objects.of(organisation).filter(run=run, state__in=OPEN).order_by("number").first()
    return {
        "organisation": organisation,
        "run": run,
        "main": main,
        "waiting": waiting,
        "can": context["can"],
    }
