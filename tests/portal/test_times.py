"""Where a page says UTC it means UTC, whatever zone the organisation has; where both stand, each is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from compliance.models import Review
from jobs.models import Event, Job
from reports.models import Document
from tests.reports.builders import shelf

MOMENT = datetime(2026, 1, 10, 22, 30, tzinfo=UTC)
"""The 11th, 11:30 in Auckland."""


@pytest.mark.usefixtures("committed")
def test_what_is_labelled_utc_is_utc(as_user: Callable[[Any], Client]) -> None:
    made = shelf()
    organisation = made.people.organisation
    organisation.timezone = "Pacific/Auckland"
    organisation.save()
    Document.unscoped.update(made_at=MOMENT, created_at=MOMENT)
    Job.unscoped.update(submitted_at=MOMENT, ended_at=MOMENT)
    Event.objects.update(at=MOMENT.timestamp())
    Review.unscoped.update(requested_at=MOMENT, decided_at=MOMENT)
    clients = {role: as_user(getattr(made.people, role)) for role in ("reviewer", "operator")}

    def page(name: str, *more: Any, role: str = "reviewer") -> str:
        return clients[role].get(reverse(name, args=[organisation.slug, *more])).content.decode()

    assert ">10 Jan 2026, 22:30</time>" in page("reports:documents")
    document = page("reports:document", made.countersigned.pk)
    assert "10 Jan 2026, 22:30:00 UTC" in document
    assert "<td>10 Jan 2026, 22:30</td>" in document
    job = page("jobs:job", made.run.job_id, role="operator")
    assert '<td class="nowrap">10 Jan, 22:30:00</td>' in job
    assert "11 Jan 2026, 11:30 NZDT" in job
    review = Review.unscoped.filter(organisation=organisation).latest("number")
    assert "asked 11 January 2026, 11:30 NZDT" in page("compliance:review", review.pk)
