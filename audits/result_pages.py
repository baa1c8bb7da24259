"""The page of a run that has ended, its chapters, and what can be downloaded."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from accounts.access import MemberRequest, member
from assay.errors import BadInput
from assay.evidence import canonical, digest
from audits.models import FindingRun, Run
from audits.result_figures import CHAPTERS, Result, Shelf, result_of
from models_registry import files

__all__ = ["chapter", "csv_of", "evidence", "measured_or_404", "measures_csv", "neutral", "show"]

_MOST_SIBLINGS = 25
_BODIES = Shelf(12 * 2**20)
"""Chapters kept ready, by characters."""
_NEEDED = (
    "subject__model_version__model",
    "subject__dataset_version__dataset",
    "policy__policy",
    "system",
    "created_by",
    "baseline",
)


def show(request: MemberRequest, run: Run) -> HttpResponse:
    """The page of a run that has ended: the answer first, or why there is none."""
    run = Run.objects.of(request.organisation).select_related(*_NEEDED).get(pk=run.pk)
    result = result_of(run) if run.evidence_file else None
    return render(
        request,
        "audits/results.html",
        {
            "run": run,
            "result": result,
            "chapters": _contents(result) if result else [],
            "findings": _findings(run),
            "siblings": _siblings(run),
        },
    )


@member()
def chapter(request: MemberRequest, pk: uuid.UUID, name: str) -> HttpResponse:
    """One pillar, or one of the report's other chapters."""
    if name not in CHAPTERS:
        raise Http404
    run = measured_or_404(request, pk)
    result = result_of(run)
    return render(
        request,
        "audits/results_chapter.html",
        {
            "run": run,
            "result": result,
            "name": name,
            "title": CHAPTERS[name],
            "has_sections": bool(result.chapters[name]),
            "body": _chapter_body(run, name, result),
            "tile": next((tile for tile in result.tiles if tile["chapter"] == name), None),
            "chapters": _contents(result),
        },
    )


@member()
def evidence(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """evidence.json as it was frozen: aggregates only, no row."""
    run = measured_or_404(request, pk)
    # The file's name is the digest of its content, so that what is read is what was frozen.
    body = {**snapshot_of(run), "snapshot_digest": run.snapshot_digest}
    return _attachment(canonical(body) + b"\n", "application/json", f"audit-{run.number}-evidence.json")


@member()
def measures_csv(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """Every measure as a table for a spreadsheet."""
    run = measured_or_404(request, pk)
    return _attachment(csv_of(run), "text/csv; charset=utf-8", f"audit-{run.number}-measures.csv")


def csv_of(run: Run) -> bytes:
    """The table of every measure of a run that has a result."""
    return "".join(_csv_lines(snapshot_of(run))).encode()


def _chapter_body(run: Run, name: str, result: Result) -> SafeString:
    """A chapter's sections as markup; they are the same for every reader, so they are kept."""

    def make() -> tuple[int, SafeString]:
        context = {"sections": result.chapters[name], "title": CHAPTERS[name]}
        body = render_to_string("audits/results_sections.html", context)
        return len(body), body

    found: SafeString = _BODIES.get((run.organisation_id, run.evidence_file, name), make)
    return found


def snapshot_of(run: Run) -> dict[str, Any]:
    """The frozen snapshot as JSON; its bytes are checked against its digest, its schema is not again."""
    body: dict[str, Any] = json.loads(files.read(run.organisation_id, run.evidence_file))
    return body


def measured_or_404(request: MemberRequest, pk: uuid.UUID) -> Run:
    """A run of the organisation that has a result."""
    run: Run = get_object_or_404(Run.objects.of(request.organisation).select_related(*_NEEDED), pk=pk)
    if not run.evidence_file:
        raise BadInput(f"{run} has no result: it is {run.get_state_display().lower()}.")
    return run


def neutral(text: str) -> str:
    """A text that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def _attachment(content: bytes, kind: str, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


_COLUMNS = (
    "measure",
    "title",
    "pillar",
    "group",
    "over",
    "setting",
    "value",
    "low",
    "high",
    "level",
    "interval_method",
    "n",
    "numerator",
    "denominator",
    "unit",
    "status",
    "grade",
    "note",
    "key",
)


def _csv_lines(content: Mapping[str, Any]) -> Iterator[str]:
    specs = {s["id"]: (s["title"], m["pillar"]) for m in content["methods"] for s in m["measures"]}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")

    def line(cells: list[Any]) -> str:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([neutral(cell) if isinstance(cell, str) else cell for cell in cells])
        return buffer.getvalue()

    yield line(list(_COLUMNS))
    for m in content["measures"]:
        title, pillar = specs.get(m["id"], ("", ""))
        identity = {name: m[name] for name in ("id", "slice", "over", "at")}
        named = [m["id"], title, pillar, _pairs(m["slice"]), m["over"], _pairs(m["at"])]
        yield line([*named, *(m[name] for name in _COLUMNS[len(named) : -1]), digest(identity)])


def _pairs(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False) if values else ""


def _contents(result: Result) -> list[dict[str, str]]:
    """Links to the chapters that hold something."""
    return [{"name": name, "title": title} for name, title in CHAPTERS.items() if result.chapters[name]]


def _findings(run: Run) -> list[FindingRun]:
    return list(
        FindingRun.objects.filter(run=run)
        .select_related("finding", "finding__owner")
        .order_by("finding__number")
    )


def _siblings(run: Run) -> dict[str, Any]:
    """Every run on the same model version, failed and cancelled ones included, newest first."""
    rows = (
        Run.objects.of(run.organisation_id)
        .filter(subject__model_version=run.subject.model_version_id)
        .select_related("subject__dataset_version__dataset", "policy__policy", "created_by")
        .order_by("-number")
    )
    found = list(rows[: _MOST_SIBLINGS + 1])
    return {"runs": found[:_MOST_SIBLINGS], "more": len(found) > _MOST_SIBLINGS}
