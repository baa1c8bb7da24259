from __future__ import annotations

import json
from typing import Any

from assay.contracts import Evidence
from assay.evidence import dump, loads, measure_key
from assay.report.document import build_document, figures
from tests.report.sample import evidence

EVIDENCE = evidence()
DOCUMENT = build_document(EVIDENCE)


def blocks(document: Any, kind: str) -> list[Any]:
    sections = [*document["chapters"], *document["appendices"]]
    return [block for section in sections for block in section["blocks"] if block["kind"] == kind]


def with_verdicts(outcomes: list[str]) -> Evidence:
    verdicts = [
        EVIDENCE.verdicts[i % len(EVIDENCE.verdicts)].model_copy(update={"outcome": outcome})
        for i, outcome in enumerate(outcomes)
    ]
    return EVIDENCE.model_copy(update={"verdicts": tuple(verdicts)})


def test_the_opinion_counts_verdicts_and_gives_no_score() -> None:
    opinion = build_document(with_verdicts(["fail", "fail", "insufficient", "pass"]))["summary"]["opinion"]
    assert opinion == (
        "Of 4 verdicts under the policy Hiring and promotion 1.2: 2 failed, 1 could not be decided with the "
        "rows at hand and 1 passed."
    )
    assert "%" not in opinion


def test_no_policy_is_never_called_a_pass() -> None:
    document = build_document(evidence(with_policy=False))
    assert document["summary"]["opinion"].endswith("nothing was judged.")
    assert {tile["outcome"] for tile in document["summary"]["tiles"]} == {"shown", "not_tested"}


def test_the_summary_lists_the_worst_first_and_says_what_it_leaves_out() -> None:
    document = build_document(with_verdicts(["pass"] * 10 + ["insufficient", "fail"]))
    outcomes = [row[0]["outcome"] for row in document["summary"]["limits"]["rows"]]
    assert outcomes[:3] == ["fail", "insufficient", "pass"]
    assert document["summary"]["limits"]["note"] == f"{12 - len(outcomes)} further verdicts in chapter 2."


def test_untested_pillars_are_grey_tiles_with_their_reason() -> None:
    tiles = {tile["title"]: tile for tile in DOCUMENT["summary"]["tiles"]}
    for pillar in ("Explainability", "Robustness", "Privacy", "Cost"):
        assert tiles[pillar]["outcome"] == "not_tested"
    assert "needs a model" in DOCUMENT["summary"]["not_tested"][0]
    assert tiles["Fairness"]["outcome"] == "fail"


def test_supplied_predictions_are_never_presented_as_the_models() -> None:
    assert "not verified" in DOCUMENT["summary"]["scope"]
    limits = json.dumps(next(c for c in DOCUMENT["chapters"] if c["id"] == "not-tested"))
    assert "It was not verified that they come from the model" in limits


def test_every_measure_resolves_and_every_finding_names_its_evidence() -> None:
    for place, measure in enumerate(EVIDENCE.measures):
        assert DOCUMENT["index"][measure_key(measure)[:10]] == [f"/measures/{place}"]
    printed = json.dumps(blocks(DOCUMENT, "finding"))
    for finding in EVIDENCE.findings:
        assert finding.id in printed
        assert all(key[:10] in printed for key in finding.measures)
    for figure in figures(DOCUMENT):
        assert DOCUMENT["index"][figure["id"]]


def test_every_table_row_fits_its_columns() -> None:
    tables = [*blocks(DOCUMENT, "table"), *(figure["table"] for figure in figures(DOCUMENT))]
    assert len(tables) > 30
    for table in tables:
        assert {len(row) for row in table["rows"]} <= {len(table["columns"])}


def test_a_pair_chart_agrees_with_its_verdict() -> None:
    for verdict in EVIDENCE.verdicts:
        if verdict.over is None:
            continue
        title = next(s.title for m in EVIDENCE.methods for s in m.measures if s.id == verdict.measure)
        figure = next(f for f in figures(DOCUMENT) if f["caption"].startswith(f"{title} by {verdict.over}, "))
        drawn = [row["outcome"] for row in figure["chart"]["rows"]]
        assert drawn.count("fail") == verdict.failed
        assert ("insufficient" in drawn) == bool(verdict.undecided) or len(drawn) == 16


def test_evidence_read_from_its_file_gives_the_same_document() -> None:
    for data in (EVIDENCE, evidence(columns=("zone", "area"))):
        assert build_document(loads(dump(data))) == build_document(data)


def test_large_evidence_is_cut_with_a_pointer() -> None:
    document = build_document(evidence(further=4))
    notes = [table["note"] for table in blocks(document, "table")]
    assert any(note.endswith("in evidence.json.") for note in notes)
    assert max(len(table["rows"]) for table in blocks(document, "table")) <= 240
