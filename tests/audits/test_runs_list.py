"""The list of audits: every run, filtered and paged, in a fixed number of queries at 10,000 runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audits.models import Run
from models_registry.models import AISystem, IntakeState, Subject
from tests import factory
from tests.conftest import People


def many(people: People, count: int, system: AISystem | None = None) -> AISystem:
    """Runs as rows, in turns of every state; nothing has to be run for a list."""
    system = system or factory.system(people)
    model = factory.predictions_version(system, people.engineer)
    data = factory.data_version(system, people.engineer, rows=20)
    subject = Subject.objects.create(
        organisation=people.organisation,
        model_version=model,
        dataset_version=data,
        state=IntakeState.READY,
    )
    first = Run.objects.of(people.organisation).count() + 1
    kinds = [
        {"state": "done", "outcome": "fail", "counts": {"fairness": {"fail": 2, "pass": 1}}},
        {"state": "done", "outcome": "pass", "counts": {"performance": {"pass": 3}}},
        {"state": "failed", "reason": "The disk was full."},
        {"state": "cancelled"},
        {"state": "draft"},
    ]
    Run.unscoped.bulk_create(
        (
            Run(
                organisation=people.organisation,
                number=number,
                system=system,
                subject=subject,
                title=f"Check {number} of the <i>scorer</i>",
                created_by=people.engineer,
                plan={"large": "x" * 200},
                ended_at=timezone.now(),
                **kinds[number % len(kinds)],
            )
            for number in range(first, first + count)
        ),
        batch_size=1000,
    )
    return system


def shown(client: Client, people: People, query: str = "") -> str:
    answer = client.get(reverse("audits:runs", args=[people.organisation.slug]) + query)
    assert answer.status_code == 200
    return answer.text


def test_ten_thousand_runs_take_as_many_queries_as_thirty(
    people: People, as_user: Callable[..., Client], django_assert_num_queries: Any
) -> None:
    client = as_user(people.auditor)
    many(people, 30)
    with CaptureQueriesContext(connection) as few_queries:
        few = shown(client, people)
    many(people, 9_970, Run.objects.of(people.organisation).first().system)
    with django_assert_num_queries(len(few_queries)):
        page = shown(client, people)
    with django_assert_num_queries(len(few_queries)):
        last = shown(client, people, "?page=400&state=")
    assert "30 audits, newest first" in few
    assert "10,000 audits, newest first" in page
    assert "Page 400 of 400" in last
    assert page.count('scope="row"') == 25


def test_runs_are_filtered_and_searched(people: People, as_user: Callable[..., Client]) -> None:
    client = as_user(people.auditor)
    many(people, 30)
    other = many(people, 5, factory.system(people, "Triage"))
    for query, count in (
        ("?state=failed", 7),
        ("?state=cancelled", 7),
        ("?outcome=fail", 7),
        ("?outcome=pass&state=done", 7),
        (f"?system={other.number}", 5),
        ("?q=17", 1),
        ("?q=Audit+17", 1),
        ("?q=check+3", 7),
        ("?state=nonsense", 0),
        ("?outcome=nothing", 0),
        ("?system=%F0%9F%92%A9", 0),
        ("?q=" + "9" * 300, 0),
    ):
        text = shown(client, people, query)
        found = text.count('<th scope="row">')
        assert (found, query) == (count, query)
        assert (count == 0) == ("Nothing matches" in text)
    assert "The disk was full" not in shown(client, people)
    assert "&lt;i&gt;scorer" in shown(client, people)


@pytest.mark.parametrize("page", ["0", "-3", "zwei", "99999999999999999999"])
def test_a_page_that_is_not_there_shows_one_that_is(
    people: People, as_user: Callable[..., Client], page: str
) -> None:
    many(people, 30)
    assert "Page " in shown(as_user(people.auditor), people, f"?page={page}")


def test_an_empty_list_says_what_to_do_next(people: People, as_user: Callable[..., Client]) -> None:
    assert "Plan the first audit" in shown(as_user(people.engineer), people)
    assert "An engineer or owner" in shown(as_user(people.auditor), people)
    assert as_user(people.outsider).get(f"/o/{people.organisation.slug}/audits/").status_code == 404
    assert Client().get(f"/o/{people.organisation.slug}/audits/").status_code == 302
