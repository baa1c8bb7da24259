"""Single rows: for those allowed, recorded at each look, erasable, and in no other page or file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from django.test import Client

from accounts.models import User
from audits.models import Run
from audits.planning import evidence_of
from audits.row_tables import Chosen, RowGuide, choose_rows
from models_registry import files
from tests import factory, sample
from tests.conftest import People, make_people
from trail.models import TrailEntry
from trail.services import verify

AsUser = Callable[[User], Client]


class Measured:
    """A biased audit of supplied predictions, and one of a model; only read."""

    def __init__(self) -> None:
        self.people: People = make_people()
        policy = sample.policy_version(self.people)
        self.run, _ = sample.biased_pair(self.people, policy, 600)
        model = factory.model_version(factory.system(self.people, "Modelled"), self.people.engineer)
        self.modelled = factory.measured_run(self.people, model=model, policy=policy)


@pytest.fixture(scope="module")
def measured(django_db_setup: None, django_db_blocker: Any) -> Iterator[Measured]:
    with django_db_blocker.unblock():
        yield Measured()


@pytest.fixture(autouse=True)
def _committed(committed: None) -> None:
    """Everything here reads rows that were committed."""


def url(run: Run, rest: str = "") -> str:
    return f"/o/{run.organisation.slug}/audits/{run.pk}/rows/{rest}"


def kept(run: Run) -> Any:
    return files.annex(run.organisation_id).get(evidence_of(run).annex)


def guide(run: Run) -> RowGuide:
    return RowGuide.of(evidence_of(run), kept(run).results)


def test_rows_are_shown_page_by_page(measured: Measured, as_user: AsUser) -> None:
    client = as_user(measured.people.engineer)
    first = client.get(url(measured.run))
    text = first.content.decode()
    assert first.status_code == 200
    assert first["Cache-Control"] == "no-store"
    assert text.count("<tr>") == 51
    assert "600 of 600 rows" in text
    assert "Page 1 of 12" in text
    assert "Page 12 of 12" in client.get(url(measured.run), {"page": "9999"}).content.decode()
    for odd in ("-1", "x", "1e9", "", "9" * 400):
        assert client.get(url(measured.run), {"page": odd}).status_code == 200


def test_errors_groups_and_verdicts_choose_rows(measured: Measured) -> None:
    guide_, rows = guide(measured.run), kept(measured.run)
    wrong = int((rows.label != rows.prediction).sum())
    assert choose_rows(guide_, rows, Chosen(errors=True), 1).total == wrong > 0
    women = rows.attributes["sex"] == rows.categories["sex"].index("Female")
    table = choose_rows(guide_, rows, Chosen(groups={"sex": "Female"}), 1)
    assert table.total == int(women.sum())
    assert {row["groups"][0] for row in table.rows} == {"Female"}
    assert choose_rows(guide_, rows, Chosen(groups={"sex": "nobody", "else": "x"}), 1).total == 600


def test_how_rows_count_for_a_rate_is_what_the_rate_was_measured_from(measured: Measured) -> None:
    guide_, rows = guide(measured.run), kept(measured.run)
    evidence, judged = evidence_of(measured.run), 0
    for place, verdict in enumerate(evidence.verdicts):
        if verdict.pillar != "fairness" or verdict.decisive is None:
            continue
        spec = next(s for m in evidence.methods for s in m.measures if s.id == verdict.measure)
        rates = {
            m.slice["sex"]: m.value for m in evidence.measures if m.id == spec.of and set(m.slice) == {"sex"}
        }
        for group, value in rates.items():
            counts = [
                choose_rows(guide_, rows, Chosen(verdict=place, counted=c, groups={"sex": group}), 1).total
                for c in ("1", "0")
            ]
            assert counts[0] / sum(counts) == pytest.approx(value)
            judged += 1
    assert judged == 6


def test_what_a_method_counted_row_by_row_can_be_looked_at(measured: Measured, as_user: AsUser) -> None:
    guide_, rows = guide(measured.modelled), kept(measured.modelled)
    key, counted = next(iter(rows.results.items()))
    table = choose_rows(guide_, rows, Chosen(measure=key[:16], counted="1"), 1)
    assert table.total == int((counted == 1).sum())
    assert {row["counted"] for row in table.rows} <= {"counts as 1"}
    assert key in guide_.measures
    client = as_user(measured.people.reviewer)
    assert client.get(url(measured.modelled), {"measure": key[:16]}).status_code == 200
    for odd in (
        {"group.9": "x"},
        {"measure": "zz"},
        {"verdict": "999"},
        {"verdict": "-1"},
        {"measure": "'"},
        {"counted": "9"},
    ):
        assert client.get(url(measured.modelled), odd).status_code == 200


def test_rows_that_are_not_those_with_labels_show_only_how_they_counted(measured: Measured) -> None:
    from dataclasses import replace

    guide_, rows = guide(measured.modelled), kept(measured.modelled)
    key = next(iter(rows.results))
    other = replace(
        rows,
        asked_identity=rows.asked_identity[:100] + np.uint64(1),
        asked_occurrence=rows.asked_occurrence[:100],
        results={key: rows.results[key][:100]},
    )
    table = choose_rows(guide_, other, Chosen(measure=key[:16], errors=True), 1)
    assert (table.aside, table.of) == (True, 100)
    assert set(table.rows[0]) == {"number", "counted", "one"}


def test_who_may_look_at_rows(measured: Measured, as_user: AsUser, client: Client) -> None:
    people = measured.people
    for member in (people.owner, people.engineer, people.reviewer):
        assert as_user(member).get(url(measured.run)).status_code == 200
    for member in (people.auditor, people.operator):
        assert as_user(member).get(url(measured.run)).status_code == 403
        overview = as_user(member).get(f"/o/{people.organisation.slug}/audits/{measured.run.pk}/")
        assert overview.status_code == 200
        assert "/rows/" not in overview.content.decode()
    assert as_user(people.outsider).get(url(measured.run)).status_code == 404
    assert client.get(url(measured.run)).status_code == 302
    for member in (people.engineer, people.reviewer, people.auditor):
        assert as_user(member).post(url(measured.run, "erase/")).status_code == 403
    assert as_user(people.outsider).post(url(measured.run, "erase/")).status_code == 404
    assert kept(measured.run) is not None


def test_every_look_is_in_the_trail_without_words(measured: Measured, as_user: AsUser) -> None:
    people = measured.people
    looks = TrailEntry.objects.filter(target_id=measured.run.pk, action="rows.read")
    before = looks.count()
    as_user(people.reviewer).get(url(measured.run), {"group.0": "Female", "errors": "1", "page": "2"})
    assert looks.count() == before + 1
    entry = looks.order_by("-sequence")[0]
    assert entry.actor_id == people.reviewer.pk
    assert entry.facts["page"] == 2
    assert "Female" not in str(entry.facts)
    assert entry.payload.content == {"groups": {"sex": "Female"}}
    as_user(people.auditor).get(url(measured.run))
    assert looks.count() == before + 1
    assert verify(people.organisation.pk) is None


def test_no_other_page_or_file_holds_a_row(measured: Measured, as_user: AsUser) -> None:
    people = measured.people
    rows = kept(measured.run)
    scores = {f"{score:.6f}" for score in rows.score[:200]} | {f"{score:.4f}" for score in rows.score[:200]}
    rare = {text for text in scores if len(text.rstrip("0")) >= 8}
    client = as_user(people.engineer)
    base = f"/o/{people.organisation.slug}/audits/{measured.run.pk}/"
    for rest in ("", "results/performance/", "results/fairness/", "results/measures/", "measures.csv"):
        text = client.get(base + rest).getvalue().decode()
        assert not [score for score in rare if score in text], rest


def test_erased_rows_are_gone_for_good_and_figures_stay(as_user: AsUser) -> None:
    people = make_people()
    run = factory.measured_run(people)
    client = as_user(people.owner)
    asked = client.get(url(run, "erase/"))
    assert asked.status_code == 200
    assert b"nobody can bring them back" in asked.content
    assert kept(run) is not None
    for _ in range(2):
        assert client.post(url(run, "erase/")).status_code == 302
    assert kept(run) is None
    assert TrailEntry.objects.filter(target_id=run.pk, action="rows.erased").count() == 1
    assert b"The rows were erased" in client.get(url(run)).content
    assert b"no rows to erase" in client.get(url(run, "erase/")).content
    assert client.get(f"/o/{people.organisation.slug}/audits/{run.pk}/").status_code == 200
    assert verify(people.organisation.pk) is None


def test_hostile_names_of_groups_stay_words(measured: Measured) -> None:
    from dataclasses import replace

    guide_, rows = guide(measured.run), kept(measured.run)
    names = tuple(f"\u202e{name}" for name in rows.categories["sex"])
    spoiled = replace(rows, categories={"sex": names})
    table = choose_rows(guide_, spoiled, Chosen(), 1)
    assert all("\u202e" not in row["groups"][0] for row in table.rows)
