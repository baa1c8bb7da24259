"""What a report says of its decision: on the first page, at every edge, in its own chapter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assay.report.decision import CheckItem, Decision, Person, Reply, RunListed
from assay.report.document import build_document
from assay.report.html import build_html
from assay.report.pdf import build_pdf
from tests.report.sample import evidence
from tests.report.sealed_sample import decision as sample_decision
from tests.report.test_pdf import NASTY, words_of

EVIDENCE = evidence()


def decision(outcome: str = "approved", **fields: Any) -> Decision:
    return sample_decision(outcome, **{"snapshot_digest": EVIDENCE.snapshot_digest, **fields})


def chapter(what: Decision) -> str:
    return json.dumps(build_document(EVIDENCE, decision=what)["chapters"][0], ensure_ascii=False)


@pytest.mark.parametrize(
    ("what", "status"),
    [
        (decision("draft"), "Draft, not certified"),
        (decision("awaiting"), "Certified at submission, awaiting a reviewer"),
        (decision(), "Approved by Rita Reviewer on 2026-11-22"),
        (
            decision(valid_until="2027-11-22", conditions="Watch it."),
            "Approved by Rita Reviewer on 2026-11-22 until 2027-11-22, with conditions",
        ),
        (decision("rejected"), "Rejected by Rita Reviewer on 2026-11-22"),
        (decision("changes"), "Changes requested by Rita Reviewer on 2026-11-22"),
    ],
    ids=["draft", "awaiting", "approved", "terms", "rejected", "changes"],
)
def test_the_report_says_what_holds(what: Decision, status: str) -> None:
    document = build_document(EVIDENCE, decision=what)
    assert document["status"] == status
    assert document["summary"]["standing"]["text"] == f"{status}."
    assert document["chapters"][0]["title"] == "Review and decision"
    assert document["summary"]["tiles"][-1]["title"] == "Reviewer"


def test_only_a_draft_has_a_watermark() -> None:
    marks = [build_document(EVIDENCE, decision=decision(o))["watermark"] for o in ("draft", "awaiting")]
    assert marks == ["DRAFT · NOT CERTIFIED", ""]


def test_a_report_without_a_decision_says_what_it_always_said() -> None:
    document = build_document(EVIDENCE)
    assert (document["status"], document["stamp"]) == ("Draft: no reviewer has signed",) * 2
    assert "standing" not in document["summary"]
    assert document["chapters"][0]["id"] == "findings"
    assert "decision.json" not in words_of(build_pdf(EVIDENCE))


def test_the_summary_names_the_right_chapter_of_verdicts() -> None:
    for what in (None, decision()):
        document = build_document(EVIDENCE, decision=what)
        number = document["summary"]["verdicts_chapter"]
        assert document["chapters"][number - 1]["id"] == "verdicts"


def test_long_reasons_are_printed_whole() -> None:
    words = " ".join(f"word{number}" for number in range(900))
    text = words_of(build_pdf(EVIDENCE, decision=decision(reason=words)))
    assert " ".join(text.split()).count("word") >= 900


def test_reasons_beyond_all_measure_say_where_the_rest_is() -> None:
    assert "stand in the attached decision.json" in chapter(decision(reason="y " * 30_000))


@pytest.mark.parametrize("words", NASTY, ids=range(len(NASTY)))
def test_no_words_of_people_break_either_edition(words: str) -> None:
    person = Person(name=words, role=words)
    what = decision(
        organisation=words,
        system=words,
        requester=person,
        requested_at="2026-11-22T10:00:00Z",
        reviewer=person,
        message=words,
        reason=words,
        conditions=words,
        checklist=(CheckItem(text=words, done=True),),
        replies=(
            Reply(finding="F-1", title=words, text=words, action=words, by=words, at="2026-11-22T10:00:00Z"),
        ),
        runs=(RunListed(number=1, state=words, created_at="2026-11-22T10:00:00Z", reason=words),),
    )
    assert build_pdf(EVIDENCE, decision=what).startswith(b"%PDF-")
    html = build_html(EVIDENCE, decision=what)
    assert "<script" not in html
