"""Single rows of a run, for those allowed to see them; every look is in the trail. And their erasure."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.access import MemberRequest, member
from assay.annex import RunRows
from assay.contracts import AnnexReference
from assay.report.glyphs import visible
from audits.models import Run
from audits.planning import evidence_of
from audits.result_figures import Shelf
from audits.result_pages import measured_or_404
from audits.row_tables import PAGE, Chosen, RowGuide, choose_rows, counted_measures
from models_registry import files
from trail.services import record

__all__ = ["erase", "erase_rows", "rows"]


_GUIDES = Shelf(2_000)
"""Guides kept ready, by measures."""


@member("read_rows")
def rows(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """A page of rows: number, label, prediction, score, groups, and how each counted."""
    run = measured_or_404(request, pk)
    guide = _guide(run)
    kept = files.annex(request.organisation).get(guide.annex)
    context: dict[str, Any] = {"run": run, "table": None, "never": guide.annex is None}
    if kept is not None:
        chosen = _chosen(request, kept)
        table = choose_rows(guide, kept, chosen, _number(request.GET.get("page")) or 1)
        _record_look(run, request, guide.annex, chosen, table.page, len(table.rows))
        query = request.GET.copy()
        query.pop("page", None)
        context |= {
            "table": table,
            "chosen": chosen,
            "measures": counted_measures(guide, kept),
            "groups": [
                {"name": name, "options": kept.categories[name], "value": chosen.groups.get(name, "")}
                for name in kept.attributes
            ],
            "verdict": _verdict(guide, chosen),
            "query": query.urlencode(),
            "page_rows": PAGE,
        }
    response = render(request, "audits/rows.html", context)
    response["Cache-Control"] = "no-store"
    return response


@member("manage_organisation")
def erase(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask, then erase the rows of a run for good."""
    run = measured_or_404(request, pk)
    reference = _guide(run).annex
    there = reference is not None and files.annex(request.organisation).get(reference) is not None
    if request.method == "POST" and reference is not None:
        if erase_rows(run, reference, request):
            messages.success(request, f"The single rows of {run} were erased.")
        return redirect("audits:rows", request.organisation.slug, run.pk)
    return render(
        request, "audits/rows_erase.html", {"run": run, "there": there, "count": reference and reference.rows}
    )


def _guide(run: Run) -> RowGuide:
    """What is needed to read the run's rows; made once, since a snapshot never changes."""

    def make() -> tuple[int, RowGuide]:
        evidence = evidence_of(run)
        rows = files.annex(run.organisation_id).get(evidence.annex)
        guide = RowGuide.of(evidence, rows.results if rows is not None else ())
        return len(guide.measures) + 10, guide

    found: RowGuide = _GUIDES.get((run.organisation_id, run.evidence_file), make)
    return found


def erase_rows(run: Run, reference: AnnexReference, request: MemberRequest) -> bool:
    """Erase and record; whether there was something to erase. The evidence keeps what it says."""
    with transaction.atomic():
        record(
            run.organisation_id,
            "rows.erased",
            "run",
            run.pk,
            actor_id=request.user.pk,
            facts={"annex": reference.digest, "rows": reference.rows},
        )
        erased = files.annex(run.organisation_id).erase(reference)
        if not erased:
            transaction.set_rollback(True)
    return erased


def _record_look(
    run: Run, request: MemberRequest, annex: AnnexReference | None, chosen: Chosen, page: int, shown: int
) -> None:
    """Who looked at which rows; group names are words, so they go to the erasable side."""
    assert annex is not None
    record(
        run.organisation_id,
        "rows.read",
        "run",
        run.pk,
        actor_id=request.user.pk,
        facts={
            "annex": annex.digest,
            "page": page,
            "rows": shown,
            "errors": chosen.errors,
            "measure": chosen.measure,
            "verdict": chosen.verdict,
        },
        payload={"groups": dict(chosen.groups)} if chosen.groups else None,
    )


def _chosen(request: MemberRequest, kept: RunRows) -> Chosen:
    """What was asked for; groups that the run does not have are not asked for."""
    asked = request.GET
    measure = asked.get("measure", "")[:64].lower()
    return Chosen(
        errors=asked.get("errors") == "1",
        groups={
            name: asked[f"group.{place}"]
            for place, name in enumerate(kept.attributes)
            if asked.get(f"group.{place}") in kept.categories[name]
        },
        measure=measure if measure and all(c in "0123456789abcdef" for c in measure) else "",
        verdict=_number(asked.get("verdict")),
        counted=asked.get("counted", "")[:1],
    )


def _verdict(guide: RowGuide, chosen: Chosen) -> str:
    if chosen.verdict is None or chosen.verdict >= len(guide.verdicts):
        return ""
    return visible(guide.verdicts[chosen.verdict].sentence)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
