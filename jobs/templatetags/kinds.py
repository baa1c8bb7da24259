"""Job kinds in words, and where their targets are."""

from __future__ import annotations

from django import template
from django.urls import reverse

from assay.errors import Internal
from jobs.kinds import Described, get_kind
from jobs.models import Job

register = template.Library()


@register.filter
def kind_title(job: Job) -> str:
    """What a job is, for people."""
    kind = _described(job)
    return kind.title if kind else job.kind.capitalize()


@register.filter
def target_page(job: Job) -> str:
    """Address of what the job works for; empty where that has no page."""
    kind = _described(job)
    return reverse(kind.page, args=[job.organisation.slug, job.target_id]) if kind and kind.page else ""


def _described(job: Job) -> Described | None:
    try:
        kind = get_kind(job.kind)
    except Internal:
        return None
    return kind if isinstance(kind, Described) else None
