"""The API of what an audit came to: evidence, verdicts, measures, figures, comparisons, single rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Status
from ninja.errors import HttpError

from accounts.api_auth import ApiRequest, require
from assay.annex import RunRows
from assay.compare import gate, pairing_of
from assay.contracts import Comparison, Pillar, Verdict
from assay.errors import AssayError, BadInput
from assay.evidence import digest, dump
from assay.policy import exit_code
from audits.api_schemas import ExitCode, Gate, MeasureOut, MeasurePage, VerdictList
from audits.comparing import compare_runs, pair
from audits.models import Run, RunMeasure, RunState
from audits.planning import evidence_of
from audits.result_figures import CHAPTERS, result_of
from audits.result_pages import csv_of
from audits.results_schemas import (
    ComparisonOut,
    ComparisonQuery,
    FigureOut,
    FiguresOut,
    RowsOut,
    SeriesOut,
)
from audits.row_looks import erase_rows, guide_of, kept_rows, look
from audits.row_tables import Chosen, counted_measures
from models_registry import files

__all__ = ["find_run", "router"]

router = Router(tags=["audits"])

Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]


@router.get("/audits/{uuid:run_id}/evidence.json", response=dict[str, Any])
def get_evidence(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The frozen evidence, as `assay audit` writes it."""
    request = require(request, "read")
    content = dump(evidence_of(_measured(request, run_id)))
    return HttpResponse(content, content_type="application/json")


@router.get("/audits/{uuid:run_id}/measures.csv", response=str, summary="Every measure as a table")
def get_measures_csv(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """For a spreadsheet; no cell begins a formula."""
    request = require(request, "read")
    return HttpResponse(csv_of(_measured(request, run_id)), content_type="text/csv; charset=utf-8")


@router.get("/audits/{uuid:run_id}/verdicts", response=VerdictList)
def list_verdicts(request: HttpRequest, run_id: UUID) -> VerdictList:
    """A verdict for each rule of the policy."""
    request = require(request, "read")
    return VerdictList(items=_verdicts(_measured(request, run_id)))


@router.get("/audits/{uuid:run_id}/measures", response=MeasurePage)
def list_measures(
    request: HttpRequest, run_id: UUID, pillar: Pillar | None = None, limit: Limit = 100, offset: Offset = 0
) -> MeasurePage:
    """What was measured, in the order of the evidence."""
    request = require(request, "read")
    found = _measured(request, run_id).measures.order_by("pk")
    if pillar is not None:
        found = found.filter(pillar=pillar)
    fields = tuple(MeasureOut.model_fields)
    rows = found.values(*fields)[offset : offset + limit]
    return MeasurePage(items=[MeasureOut(**row) for row in rows], count=found.count())


@router.get("/audits/{uuid:run_id}/series", response=SeriesOut, summary="Curves and tables behind charts")
def list_series(
    request: HttpRequest,
    run_id: UUID,
    method: Annotated[str, Query(max_length=120)] = "",
    limit: Annotated[int, Query(ge=1, le=25)] = 25,
    offset: Offset = 0,
) -> SeriesOut:
    """Aggregates, at most 2,000 points each: calibration, curves of attacks, attributions."""
    request = require(request, "read")
    evidence = evidence_of(_measured(request, run_id))
    found = [each for each in evidence.series if not method or each.method == method]
    return SeriesOut(count=len(found), items=found[offset : offset + limit])


@router.get(
    "/audits/{uuid:run_id}/figures", response=FiguresOut, summary="Figures of the page and the report"
)
def list_figures(
    request: HttpRequest, run_id: UUID, limit: Annotated[int, Query(ge=1, le=25)] = 25, offset: Offset = 0
) -> FiguresOut:
    """What each shows in words, and its data as printed; the drawing is at `svg`."""
    request = require(request, "read")
    run = _measured(request, run_id)
    found = list(_figures(run))
    items = [
        FigureOut(
            id=figure["id"],
            chapter=chapter,
            caption=figure["caption"],
            alt=figure["alt"],
            columns=[column["title"] for column in figure["table"]["columns"]],
            rows=[[cell["text"] for cell in row] for row in figure["table"]["rows"]],
            svg=f"/api/v1/audits/{run.pk}/figures/{figure['id']}.svg",
        )
        for chapter, figure in found[offset : offset + limit]
    ]
    return FiguresOut(count=len(found), items=items)


@router.get("/audits/{uuid:run_id}/figures/{slug:figure}.svg", response=str, summary="A figure's drawing")
def get_figure(request: HttpRequest, run_id: UUID, figure: str) -> HttpResponse:
    """The same chart as in the page and the PDF; it holds drawing elements only."""
    request = require(request, "read")
    for _chapter, found in _figures(_measured(request, run_id)):
        if found["id"] == figure:
            answer = HttpResponse(str(found["svg"]), content_type="image/svg+xml")
            answer["Content-Security-Policy"] = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
            return answer
    raise Http404


@router.get("/audits/{uuid:run_id}/exit-code", response=ExitCode)
def get_exit_code(request: HttpRequest, run_id: UUID) -> ExitCode:
    """What the command line would exit with; 409 while the audit has not ended."""
    request = require(request, "read")
    run = find_run(request, run_id)
    if not run.ended:
        raise AssayError(f"{run} has not ended yet; wait for it.", code="conflict")
    if not run.snapshot_digest:
        sentence = run.reason or "It was cancelled."
        return ExitCode(exit_code=3, state=run.state, outcome=run.outcome, sentence=sentence)
    verdicts = _verdicts(run)
    code: Any = exit_code(verdicts, failed_shards=int(run.state == RunState.INCOMPLETE))
    return ExitCode(exit_code=code, state=run.state, outcome=run.outcome, sentence=_sentence(run, verdicts))


@router.get("/audits/{uuid:before_id}/gate/{uuid:after_id}", response=Gate)
def get_gate(request: HttpRequest, before_id: UUID, after_id: UUID) -> Gate:
    """Let a run through only if nothing became worse than in the baseline; paired where both have rows.

    A run against itself, and audits of two systems or of two questions, are refused (400).
    """
    request = require(request, "read")
    before, after = pair(_measured(request, before_id), _measured(request, after_id))
    annex = files.annex(request.organisation)
    report = gate(before, after, pairing_of(before, after, annex.get(before.annex), annex.get(after.annex)))
    return Gate(
        exit_code=report.exit_code,
        sentence=report.sentence,
        reasons=list(report.reasons),
        statements=list(report.statements),
        comparisons=list(report.comparisons),
        verdict_changes=list(report.verdict_changes),
    )


@router.get(
    "/audits/{uuid:before_id}/compare/{uuid:after_id}", response=ComparisonOut, summary="Compare two audits"
)
def get_comparison(
    request: HttpRequest, before_id: UUID, after_id: UUID, asked: Query[ComparisonQuery]
) -> dict[str, Any]:
    """What became better or worse from the first to the second, as the portal's page shows it.

    First what decided the gate, whatever it reads, then everything else that moved; what stayed or cannot be
    told is in `counts`. Intervals are of the change, paired row by row where both kept their rows. Audits of
    two systems, or of two questions, are refused (400).
    """
    request = require(request, "read")
    runs = find_run(request, before_id), find_run(request, after_id)
    report = compare_runs(*runs, *pair(*runs))
    decisive = [(entry, True) for entry in report.decisive]
    every = [*decisive, *((entry, False) for entry in report.moved)]
    chosen = [
        (entry, decides)
        for entry, decides in every
        if asked.reading in (None, entry.reading) and asked.pillar in (None, entry.pillar)
    ]
    page = chosen[asked.offset : asked.offset + asked.limit]
    counted = _rows_behind(runs, [entry for entry, _ in page])
    return {
        "before": before_id,
        "after": after_id,
        **{
            name: getattr(report, name)
            for name in ("exit_code", "sentence", "reasons", "statements", "counts")
        },
        "verdict_changes": report.verdict_changes,
        "count": len(chosen),
        "items": [
            {
                **entry.model_dump(mode="json"),
                "decisive": decides,
                "n_before": counted.get((before_id, _key(entry))),
                "n_after": counted.get((after_id, _key(entry))),
            }
            for entry, decides in page
        ],
    }


@router.get("/audits/{uuid:run_id}/rows", response=RowsOut, summary="Single rows of an audit")
def list_rows(
    request: HttpRequest,
    response: HttpResponse,
    run_id: UUID,
    errors: bool = False,
    group: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006  # ninja copies it
    measure: Annotated[str, Query(pattern="^[0-9a-f]{0,64}$")] = "",
    verdict: Annotated[int | None, Query(ge=0, le=100_000)] = None,
    counted: Literal["0", "1", ""] = "",
    page: Annotated[int, Query(ge=1, le=10_000_000)] = 1,
) -> dict[str, Any]:
    """Number, label, prediction, score and groups of each, and how it counts for a measure or verdict.

    Needs the scope `rows` and the permission `read_rows`; each look is in the trail, with what was asked for.
    The columns of the data themselves are in no answer. 410 where none were kept, or they were erased.

    `errors`: wrong ones only; `group`: attribute=group, may be repeated; `measure`: the first digits of
    a measure's key; `verdict`: its place in the list of verdicts; `counted`: only rows that count as 1 or as
    0. Pages have 50 rows.
    """
    request = require(request, "read_rows")
    run = _measured(request, run_id)
    kept = kept_rows(run)
    if kept is None:
        never = guide_of(run).annex is None
        raise HttpError(
            410, f"{run} has no single rows: {'none were kept' if never else 'they were erased'}."
        )
    chosen = Chosen(errors, _groups(group, kept), measure, verdict, counted)
    guide, _, table = look(run, kept, chosen, page, by=request.user)
    response["Cache-Control"] = "no-store"
    return {
        **{name: getattr(table, name) for name in ("total", "of", "page", "pages", "about", "aside")},
        "measures": [{"key": key, "title": words} for key, words in counted_measures(guide, kept)],
        "items": [_row(row, table.columns) for row in table.rows],
    }


@router.delete("/audits/{uuid:run_id}/rows", response={204: None}, summary="Erase an audit's single rows")
def delete_rows(request: HttpRequest, run_id: UUID) -> Any:
    """For good. Figures, evidence and reports stay; looking at rows and comparing row by row end. Doing it
    again changes nothing."""
    request = require(request, "manage_organisation")
    run = _measured(request, run_id)
    reference = guide_of(run).annex
    if reference is not None:
        erase_rows(run, reference, by=request.user)
    return Status(204, None)


def find_run(request: ApiRequest, pk: UUID) -> Run:
    """The organisation's audit with what answers name of it. Raises Http404."""
    rows = Run.objects.of(request.organisation).select_related(
        "system", "subject", "policy", "baseline__subject", "job", "organisation"
    )
    found: Run = get_object_or_404(rows, pk=pk)
    return found


def _measured(request: ApiRequest, pk: UUID) -> Run:
    run = find_run(request, pk)
    if not run.snapshot_digest:
        state = run.get_state_display().lower()
        raise BadInput(f"{run} has no results: it is {state}. {run.reason}".strip())
    return run


def _verdicts(run: Run) -> list[Verdict]:
    contents = run.verdicts.order_by("place").values_list("content", flat=True)
    return [Verdict.model_validate(content) for content in contents]


def _sentence(run: Run, verdicts: list[Verdict]) -> str:
    if run.state == RunState.INCOMPLETE:
        return f"The audit is incomplete. {run.reason}"
    if not verdicts:
        return "Measured without a policy."
    counts = {o: sum(v.outcome == o for v in verdicts) for o in ("fail", "insufficient", "not_tested")}
    words = {"fail": "failed", "insufficient": "undecided", "not_tested": "not tested"}
    said = [f"{count} {words[o]}" for o, count in counts.items() if count]
    return (
        f"Of {len(verdicts)} rules {', '.join(said)}." if said else f"None of {len(verdicts)} rules failed."
    )


def _figures(run: Run) -> Iterator[tuple[str, dict[str, Any]]]:
    """Chapter and figure, in the order of the chapters; those of the verdicts come first."""
    result = result_of(run)
    yield from (("verdicts", figure) for figure in result.charts)
    for chapter in CHAPTERS:
        for section in result.chapters[chapter]:
            yield from ((chapter, block) for block in section["blocks"] if block["kind"] == "figure")


def _key(entry: Comparison) -> str:
    """The key of the measure that is compared (assay.evidence.measure_key)."""
    return digest({"id": entry.id, "slice": dict(entry.slice), "over": entry.over, "at": dict(entry.at)})


def _rows_behind(runs: tuple[Run, Run], entries: list[Comparison]) -> dict[tuple[UUID, str], int]:
    """Run and key -> n (1 query)."""
    keys = {_key(entry) for entry in entries}
    rows = RunMeasure.objects.filter(run__in=runs, key__in=keys).values_list("run", "key", "n")
    return {(run, key): n for run, key, n in rows}


def _groups(said: list[str], kept: RunRows) -> dict[str, str]:
    """Attribute -> group. Raises BadInput where the audit has no such attribute or group."""
    found = {}
    for each in said:
        name, _, group = each.partition("=")
        if name not in kept.attributes:
            raise BadInput(
                f'There is no attribute "{name[:80]}"; there is {", ".join(kept.attributes) or "none"}.'
            )
        if group not in kept.categories[name]:
            known = ", ".join(kept.categories[name][:20])
            raise BadInput(f'"{name}" has no group "{group[:80]}"; it has {known}.')
        found[name] = group
    return found


def _row(row: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    score = row.get("score")
    return {
        "number": row["number"],
        "label": row.get("label"),
        "prediction": row.get("prediction"),
        "wrong": row.get("wrong"),
        "score": score if score is not None and math.isfinite(score) else None,
        "groups": dict(zip(columns, row.get("groups", ()), strict=False)),
        "counted": {1: 1, 0: 0}.get(row.get("one", -1)),
    }
