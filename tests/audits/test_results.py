"""What a run shows when it has ended: the answer, its chapters and downloads, for whom, and how safely."""

from __future__ import annotations

import csv
import io
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from assay.contracts import Evidence
from assay.evidence import from_snapshot, loads, measure_key, result_digest, snapshot, snapshot_digest
from assay.report.document import build_document
from audits import result_figures
from audits.models import Comparison, Run
from audits.planning import evidence_of
from audits.result_figures import CHAPTERS, Shelf, headline, make_result
from audits.result_pages import neutral
from audits.services import cancel_run, draft_run
from models_registry import files
from tests import factory, sample
from tests.conftest import People, make_people

AsUser = Callable[[User], Client]
HOSTILE = '<script>alert("x")</script>\u202e<img src=x onerror=alert(1)>'


class Measured:
    """One biased audit and its successor, shared by the tests of this file: they only read them."""

    def __init__(self) -> None:
        self.people: People = make_people()
        self.policy = sample.policy_version(self.people)
        self.biased, self.mended = sample.biased_pair(self.people, self.policy, 1_200)


@pytest.fixture(scope="module")
def measured(django_db_setup: None, django_db_blocker: Any) -> Iterator[Measured]:
    with django_db_blocker.unblock():
        yield Measured()


@pytest.fixture(autouse=True)
def _committed(committed: None) -> None:
    """Everything here reads rows that were committed."""


def page(run: Run, rest: str = "") -> str:
    return f"/o/{run.organisation.slug}/audits/{run.pk}/{rest}"


def test_the_answer_comes_first_and_says_what_the_report_says(measured: Measured, as_user: AsUser) -> None:
    answer = as_user(measured.people.engineer).get(page(measured.biased))
    text = answer.content.decode()
    document = build_document(evidence_of(measured.biased), draft=False)
    assert answer.status_code == 200
    assert f"Audit {measured.biased.number}: 3 of 14 verdicts failed" in text
    assert document["summary"]["opinion"] in text
    assert text.index("<h1>") < text.index('class="tiles"') < text.index("What failed")
    for verdict in evidence_of(measured.biased).verdicts:
        assert verdict.title in text
        assert verdict.limit in text
    assert 'aria-label="Verdicts"' in text


def test_nothing_failed_is_never_said_of_what_was_not_decided() -> None:
    def verdict(outcome: str) -> Any:
        return type("V", (), {"outcome": outcome})()

    assert headline([], judged=False) == "measured, not judged"
    assert headline([verdict("pass"), verdict("fail")], judged=True) == "1 of 2 verdicts failed"
    assert headline([verdict("pass"), verdict("insufficient")], judged=True).startswith("nothing failed, 1")
    assert headline([verdict("not_tested"), verdict("pass")], judged=True).endswith("not tested")
    assert headline([verdict("warn"), verdict("pass")], judged=True).startswith("passed, 1")
    assert headline([verdict("pass")] * 3, judged=True) == "all 3 verdicts passed"


def test_every_chapter_opens_and_holds_the_reports_figures(measured: Measured, as_user: AsUser) -> None:
    client = as_user(measured.people.auditor)
    drawn = 0
    for name in CHAPTERS:
        answer = client.get(page(measured.biased, f"results/{name}/"))
        assert answer.status_code == 200, name
        drawn += answer.content.decode().count('class="chart"')
    document = build_document(evidence_of(measured.biased), draft=False)
    chapters = [c for c in document["chapters"] if c["id"].startswith("method-")]
    assert drawn == sum(b["kind"] == "figure" for c in chapters for b in c["blocks"]) > 3
    assert client.get(page(measured.biased, "results/elsewhere/")).status_code == 404


def test_charts_keep_to_the_content_policy_and_have_words_and_tables(
    measured: Measured, as_user: AsUser
) -> None:
    text = as_user(measured.people.engineer).get(page(measured.biased, "results/fairness/")).content.decode()
    assert "style=" not in text
    assert text.count('role="img" aria-label="') == text.count("Data as a table") > 0
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(svg)
    assert not re.search(r"<script(?![^>]* src=)", text)
    assert not re.search(r"\s(hx-|on)\w+=", text)  # nothing on the page waits for a script


def test_a_run_without_result_says_why_and_lists_all_runs_of_the_version(
    measured: Measured, as_user: AsUser
) -> None:
    subject = measured.biased.subject
    stopped = draft_run(subject.model_version, subject.dataset_version, by=measured.people.engineer)
    cancel_run(stopped, by=measured.people.engineer)
    answer = as_user(measured.people.auditor).get(page(stopped))
    assert answer.status_code == 200
    assert b"was cancelled" in answer.content
    text = as_user(measured.people.auditor).get(page(measured.biased)).content.decode()
    listed = text[text.index("Every audit of this version") :]
    assert str(stopped) in listed
    assert "Cancelled" in listed
    for rest in ("results/fairness/", "evidence.json", "measures.csv", "rows/"):
        assert as_user(measured.people.engineer).get(page(stopped, rest)).status_code == 400


def test_who_may_see_results(measured: Measured, as_user: AsUser, client: Client) -> None:
    people = measured.people
    for rest in ("", "results/performance/", "results/measures/", "evidence.json", "measures.csv"):
        for member in (people.owner, people.engineer, people.reviewer, people.auditor, people.operator):
            assert as_user(member).get(page(measured.biased, rest)).status_code == 200
        assert as_user(people.outsider).get(page(measured.biased, rest)).status_code == 404
        elsewhere = f"/o/{people.elsewhere.slug}/audits/{measured.biased.pk}/{rest}"
        assert as_user(people.outsider).get(elsewhere).status_code == 404
        assert client.get(page(measured.biased, rest)).status_code == 302


def test_evidence_comes_whole_and_can_be_checked(measured: Measured, as_user: AsUser) -> None:
    answer = as_user(measured.people.auditor).get(page(measured.biased, "evidence.json"))
    assert "attachment" in answer["Content-Disposition"]
    assert loads(answer.content).snapshot_digest == measured.biased.snapshot_digest


def test_measures_come_as_a_table_with_every_measure(measured: Measured, as_user: AsUser) -> None:
    answer = as_user(measured.people.auditor).get(page(measured.biased, "measures.csv"))
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    measures = evidence_of(measured.biased).measures
    assert len(rows) == len(measures)
    values = [float(row["value"]) if row["value"] else None for row in rows]
    assert values == [m.value for m in measures]
    assert [row["key"] for row in rows] == [measure_key(m) for m in measures]


def test_no_cell_of_a_table_is_taken_for_a_formula() -> None:
    for text in ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"):
        assert neutral(text) == f"'{text}"
    assert neutral("Female") == "Female"


def hostile(evidence: Evidence) -> Evidence:
    """The same evidence with markup and a formula in every free text."""

    def spoiled(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: spoiled(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [spoiled(inner, name) for inner in value]
        free = ("title", "sentence", "note", "source", "criterion", "detail", "action", "reason", "summary")
        return f"=1{HOSTILE}{value}" if isinstance(value, str) and name in free else value

    body = spoiled(json.loads(snapshot(evidence)))
    body["measures"][0]["note"] = f"={HOSTILE}"
    text = json.dumps(body).replace('"Female"', json.dumps(HOSTILE))
    body = json.loads(text)
    body["subject"]["datasets"][0]["name"] = HOSTILE
    body["snapshot_digest"] = "0" * 64
    first = Evidence.model_validate(body)
    body["result_digest"] = result_digest(first.measures, first.methods)
    body.pop("snapshot_digest")
    body["snapshot_digest"] = snapshot_digest(body)
    return loads(json.dumps(body).encode())


def test_hostile_words_in_the_evidence_stay_words(measured: Measured, as_user: AsUser) -> None:
    people = measured.people
    spoiled = hostile(evidence_of(measured.biased))
    stored = files.keep(people.organisation, [snapshot(spoiled)])
    assert from_snapshot(files.read(people.organisation, stored.sha256)) == spoiled
    run = Run.unscoped.get(pk=measured.biased.pk)
    run.pk, run.number, run.evidence_file, run.title = uuid.uuid4(), 900, stored.sha256, HOSTILE
    run.save(force_insert=True)
    try:
        client = as_user(people.engineer)
        rests = ["", *(f"results/{name}/" for name in CHAPTERS), f"compare/{measured.mended.pk}/", "rows/"]
        for rest in rests:
            answer = client.get(page(run, rest))
            text = answer.content.decode()
            assert answer.status_code == 200, rest
            assert "<script>alert" not in text
            assert "<img src=x" not in text
            assert "\u202e" not in text.partition("</head>")[2], rest
        lines = client.get(page(run, "measures.csv")).content.decode()
        for row in csv.reader(io.StringIO(lines)):
            assert not any(cell.startswith(("=", "+", "@", "\t")) for cell in row)
    finally:
        Comparison.unscoped.filter(before=run).delete()
        run.delete()


def test_pages_need_a_fixed_number_of_queries(measured: Measured, as_user: AsUser) -> None:
    client = as_user(measured.people.engineer)
    counted = []
    for run in (measured.biased, measured.mended):
        client.get(page(run))
        with CaptureQueriesContext(connection) as queries:
            client.get(page(run))
        counted.append(len(queries))
    assert counted[0] == counted[1] <= 11
    with CaptureQueriesContext(connection) as queries:
        client.get(page(measured.biased, "results/fairness/"))
    assert len(queries) <= 7


def test_a_page_whose_snapshot_is_kept_is_quick(measured: Measured, as_user: AsUser) -> None:
    client = as_user(measured.people.engineer)
    client.get(page(measured.biased))
    took = []
    for _ in range(5):
        start = time.perf_counter()
        client.get(page(measured.biased))
        took.append(time.perf_counter() - start)
    print(f"run page {min(took) * 1000:.0f} ms")
    assert result_figures._SHELF.get((measured.people.organisation.pk, measured.biased.evidence_file), dict)


def test_a_shelf_forgets_what_was_used_least() -> None:
    shelf, made = Shelf(3), []

    def make(name: str, weight: int) -> Callable[[], tuple[int, str]]:
        def now() -> tuple[int, str]:
            made.append(name)
            return weight, name

        return now

    shelf.get("a", make("a", 2))
    shelf.get("b", make("b", 1))
    shelf.get("a", make("a", 2))
    shelf.get("c", make("c", 1))
    assert shelf.get("a", make("a", 2)) == "a"
    assert made == ["a", "b", "c"]
    assert shelf.get("heavy", make("heavy", 9)) == "heavy"
    assert shelf.get("heavy", make("heavy", 9)) == "heavy"
    assert made == ["a", "b", "c", "heavy"]


def test_an_audit_without_a_policy_is_measured_and_not_judged(as_user: AsUser) -> None:
    people = make_people()
    run = factory.measured_run(people)
    text = as_user(people.engineer).get(page(run)).content.decode()
    assert "measured, not judged" in text
    assert "What failed" not in text
    result = make_result(evidence_of(run))
    assert result.charts == []
    assert not any(result.verdicts.values())


def test_an_incomplete_audit_says_so_before_its_figures(measured: Measured, as_user: AsUser) -> None:
    run = measured.mended
    Run.unscoped.filter(pk=run.pk).update(state="incomplete", reason="fairness.scores: ran out of memory.")
    try:
        text = as_user(measured.people.auditor).get(page(run)).content.decode()
        assert text.index("ran out of memory") < text.index('class="tiles"')
    finally:
        Run.unscoped.filter(pk=run.pk).update(state="done", reason="")
