"""Pages of the single rows of a run, for those allowed to see them. And their erasure."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.access import MemberRequest, member
from assay.annex import RunRows
from assay.report.glyphs import visible
from audits.result_pages import measured_or_404
from audits.row_looks import erase_rows, guide_of, kept_rows, look
from audits.row_tables import PAGE, Chosen, RowGuide, counted_measures

__all__ = ["erase", "rows"]


@member("read_rows")
def rows(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """A page of rows: number, label, prediction, score, groups, and how each counted."""
    run = measured_or_404(request, pk)
    kept = kept_rows(run)
    context: dict[str, Any] = {"run": run, "table": None, "never": guide_of(run).annex is None}
    if kept is not None:
        chosen = _chosen(request, kept)
        guide, _, table = look(run, kept, chosen, _number(request.GET.get("page")) or 1, by=request.user)
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
    reference = guide_of(run).annex
    if request.method == "POST" and reference is not None:
        if erase_rows(run, reference, by=request.user):
            messages.success(request, f"The single rows of {run} were erased.")
        return redirect("audits:rows", request.organisation.slug, run.pk)
    return render(
        request,
        "audits/rows_erase.html",
        {"run": run, "there": kept_rows(run) is not None, "count": reference and reference.rows},
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
