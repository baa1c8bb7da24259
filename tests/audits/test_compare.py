"""Any two audits of a system side by side: the gate's answer, words, charts, and refusals in a sentence."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from assay.contracts import ChangeReport
from assay.errors import BadInput
from audits import compare_views
from audits.comparing import compare_runs, pair
from audits.models import Comparison, Run
from audits.planning import evidence_of
from models_registry import files
from tests import factory, sample
from tests.conftest import People, make_people

AsUser = Callable[[User], Client]


class Measured:
    """Three audits of one system and one of another, only read."""

    def __init__(self) -> None:
        self.people: People = make_people()
        policy = sample.policy_version(self.people)
        self.biased, self.mended = sample.biased_pair(self.people, policy, 1_200)
        self.unjudged = factory.measured_run(
            self.people, model=self.biased.subject.model_version, data=self.mended.subject.dataset_version
        )
        self.foreign = factory.measured_run(self.people)


@pytest.fixture(scope="module")
def measured(django_db_setup: None, django_db_blocker: Any) -> Iterator[Measured]:
    with django_db_blocker.unblock():
        yield Measured()


@pytest.fixture(autouse=True)
def _committed(committed: None) -> None:
    """Everything here reads rows that were committed."""


def url(before: Run, after: Run) -> str:
    return f"/o/{before.organisation.slug}/audits/{before.pk}/compare/{after.pk}/"


def compared(before: Run, after: Run) -> ChangeReport:
    return compare_runs(before, after, *pair(before, after))


def test_the_answer_comes_first_with_counts_in_words(measured: Measured, as_user: AsUser) -> None:
    answer = as_user(measured.people.auditor).get(url(measured.biased, measured.mended))
    text = answer.content.decode()
    change = evidence_of(measured.mended).change
    assert answer.status_code == 200
    assert change is not None
    said = change.sentence.partition(": ")[2][1:]
    assert said in text
    assert text.index("Let through") < text.index(said) < text.index("What moved")
    assert change.counts["better"] > 10
    assert "What decided the gate, before and after" in text
    assert "paired" in text
    assert 'class="chart"' in text
    assert "style=" not in text


def test_what_the_audit_itself_compared_is_not_computed_again(measured: Measured, as_user: AsUser) -> None:
    assert compared(measured.biased, measured.mended) == evidence_of(measured.mended).change
    assert Comparison.objects.of(measured.people.organisation).filter(after=measured.mended).count() == 0


def test_the_other_way_round_is_computed_once_and_kept(measured: Measured, as_user: AsUser) -> None:
    client = as_user(measured.people.engineer)
    for _ in range(2):
        assert client.get(url(measured.mended, measured.biased)).status_code == 200
    kept = Comparison.objects.of(measured.people.organisation).get(
        before=measured.mended, after=measured.biased
    )
    change = ChangeReport.model_validate(kept.content)
    assert (change.exit_code, change.counts["worse"] > 10) == (1, True)
    assert any("rows are paired" in sentence for sentence in change.statements)
    assert compared(measured.mended, measured.biased) == change
    Comparison.unscoped.filter(pk=kept.pk).update(content={"of": "an earlier version"})
    assert compared(measured.mended, measured.biased) == change


def test_without_kept_rows_intervals_are_combined(measured: Measured) -> None:
    people = make_people()
    biased, mended = sample.biased_pair(people, sample.policy_version(people), 400)
    reference = evidence_of(biased).annex
    assert reference is not None
    files.annex(people.organisation).erase(reference)
    change = compared(mended, biased)
    assert any("not kept" in sentence for sentence in change.statements)


def test_runs_that_say_nothing_about_each_other_are_refused_in_a_sentence(
    measured: Measured, as_user: AsUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = as_user(measured.people.engineer)
    for before, after, why in (
        (measured.biased, measured.biased, "with itself"),
        (measured.biased, measured.foreign, "only audits of one system"),
    ):
        answer = client.get(url(before, after))
        assert answer.status_code == 400
        assert why in answer.content.decode()
    evidence = evidence_of(measured.biased)
    signature = evidence.subject.signature.model_copy(update={"favourable": "no"})
    subject = evidence.subject.model_copy(update={"signature": signature})
    other = {measured.biased.pk: evidence.model_copy(update={"subject": subject})}
    monkeypatch.setattr("audits.comparing.evidence_of", lambda run: other.get(run.pk) or evidence_of(run))
    with pytest.raises(BadInput, match="their favourable class differs"):
        pair(measured.biased, measured.mended)


def test_another_policy_is_said_and_not_let_through(measured: Measured, as_user: AsUser) -> None:
    answer = as_user(measured.people.engineer).get(url(measured.biased, measured.unjudged))
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "Not comparable under one policy" in text
    assert "judged by different policies" in text


def test_the_chooser_lists_measured_audits_of_the_system_and_puts_the_earlier_first(
    measured: Measured, as_user: AsUser
) -> None:
    client = as_user(measured.people.auditor)
    base = f"/o/{measured.people.organisation.slug}/audits/{measured.mended.pk}/compare/"
    text = client.get(base).content.decode()
    assert f"?with={measured.biased.pk}" in text
    assert "its baseline" in text
    assert str(measured.foreign.pk) not in text
    answer = client.get(base, {"with": str(measured.biased.pk)})
    assert answer["Location"] == url(measured.biased, measured.mended)
    for odd in (str(measured.foreign.pk), str(uuid.uuid4()), "'"):
        assert client.get(base, {"with": odd}).status_code == 400
    with CaptureQueriesContext(connection) as queries:
        assert client.get(base).content.decode().count("?with=") > 1
    assert len(queries) == 7, "no query for each audit of the list"
    alone = f"/o/{measured.people.organisation.slug}/audits/{measured.foreign.pk}/compare/"
    assert b"no other audit" in client.get(alone).content


def test_who_may_compare(measured: Measured, as_user: AsUser, client: Client) -> None:
    people = measured.people
    chooser = f"/o/{people.organisation.slug}/audits/{measured.biased.pk}/compare/"
    for path in (url(measured.biased, measured.mended), chooser):
        for member in (people.owner, people.engineer, people.reviewer, people.auditor, people.operator):
            assert as_user(member).get(path).status_code == 200
        assert as_user(people.outsider).get(path).status_code == 404
        assert client.get(path).status_code == 302
    mixed = f"/o/{people.elsewhere.slug}/audits/{measured.biased.pk}/compare/{measured.mended.pk}/"
    assert as_user(people.outsider).get(mixed).status_code == 404


def test_a_kept_comparison_needs_few_queries(measured: Measured, as_user: AsUser) -> None:
    client = as_user(measured.people.auditor)
    client.get(url(measured.biased, measured.mended))
    with CaptureQueriesContext(connection) as queries:
        client.get(url(measured.biased, measured.mended))
    assert len(queries) <= 8
    assert compare_views._SHELF is not None
