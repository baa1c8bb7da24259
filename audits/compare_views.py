"""Two audits of a system side by side: the gate's answer first, then what moved."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from accounts.access import MemberRequest, member
from assay.contracts import ChangeReport, Evidence
from assay.errors import BadInput
from assay.report.charts import draw
from assay.report.document.book import Book
from assay.report.document.change import change_section
from assay.report.glyphs import clean, visible
from audits.comparing import compare_runs, pair, refusal
from audits.models import Run
from audits.result_figures import Shelf, ready

__all__ = ["choose", "compare"]

_PAGE = 30
_SHELF = Shelf(64)
"""Comparisons kept ready."""
_NEEDED = (
    "system",
    "subject__model_version__model",
    "subject__dataset_version__dataset",
    "policy__policy",
    "created_by",
)
_NOT_LISTED = (
    *("plan", "params", "methods", "counts", "subject__profile", "policy__toml"),
    *(f"subject__model_version__{name}" for name in ("facts", "signature", "lineage", "remarks", "sandbox")),
    *(f"subject__model_version__{name}" for name in ("gate", "claims")),
    *(f"subject__dataset_version__{name}" for name in ("profile", "description", "sandbox")),
)
"""Large columns of which the list of audits shows nothing. (A policy says its version from its content.)"""
_GATE = {
    0: ("pass", "pass", "Let through"),
    1: ("fail", "fail", "Not let through"),
    2: ("none", "none", "Not comparable under one policy"),
    3: ("none", "open", "Undecided"),
}


@member()
def choose(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """Which other audit to compare with."""
    run = _run(request, pk)
    others = (
        Run.objects.of(request.organisation)
        .filter(system=run.system_id)
        .exclude(pk=run.pk)
        .exclude(evidence_file="")
        .select_related(*_NEEDED)
        .defer(*_NOT_LISTED)
        .order_by("-number")
    )
    if other := request.GET.get("with"):
        chosen = others.filter(pk=other).first() if _is_id(other) else None
        if chosen is None:
            raise BadInput("Choose an audit from the list: that one is no measured audit of this system.")
        first, second = sorted((run, chosen), key=lambda each: each.number)
        return redirect("audits:compare", request.organisation.slug, first.pk, second.pk)
    page = Paginator(others, _PAGE).get_page(request.GET.get("page"))
    return render(request, "audits/compare_choose.html", {"run": run, "page": page})


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


@member()
def compare(request: MemberRequest, before: uuid.UUID, after: uuid.UUID) -> HttpResponse:
    """What became better or worse from one audit to another."""
    runs = _run(request, before), _run(request, after)
    why = refusal(*runs)
    shown: Mapping[str, Any] = {}
    if why is None:
        key = (request.organisation.pk, *(run.evidence_file for run in runs))
        try:
            shown = _SHELF.get(key, lambda: (1, _shown(*runs)))
        except BadInput as error:
            why = error.message
    context = {"before": runs[0], "after": runs[1], "why": why, **shown}
    context["sides"] = [("Before", runs[0]), ("After", runs[1])]
    context["turned"] = reverse("audits:compare", args=[request.organisation.slug, after, before])
    return render(request, "audits/compare.html", context, status=200 if why is None else 400)


def _run(request: MemberRequest, pk: uuid.UUID) -> Run:
    found: Run = get_object_or_404(Run.objects.of(request.organisation).select_related(*_NEEDED), pk=pk)
    return found


def _shown(before: Run, after: Run) -> dict[str, Any]:
    """Everything printed of a comparison, safe to show, with drawn charts."""
    first, second = pair(before, after)
    change = compare_runs(before, after, first, second)
    look, mark, word = _GATE[change.exit_code]
    return {
        "gate": {"look": look, "mark": mark, "word": word},
        "sentence": visible(_without(change.sentence)),
        "reasons": clean(list(change.reasons), visible),
        "statements": clean(list(change.statements), visible),
        "counts": [
            {"look": look, "mark": mark, "word": word, "count": change.counts.get(name, 0)}
            for name, look, mark, word in (
                ("better", "pass", "pass", "better"),
                ("worse", "fail", "fail", "worse"),
                ("unchanged", "none", "none", "unchanged"),
                ("insufficient", "none", "open", "undecided"),
            )
        ],
        "verdict_changes": clean(
            [
                {
                    "title": f"{item.title}, {item.over}" if item.over else item.title,
                    "before": item.before or "",
                    "after": item.after or "",
                }
                for item in change.verdict_changes
            ],
            visible,
        ),
        "blocks": _blocks(second, change),
    }


def _without(sentence: str) -> str:
    """The gate's sentence without the word that stands over it already."""
    word, colon, rest = sentence.partition(": ")
    return (
        rest[:1].upper() + rest[1:]
        if colon and word in ("Let through", "Not let through", "Not decided")
        else sentence
    )


_SAID_ELSEWHERE = ("Verdicts that changed", "How the runs were compared", "Sealed test rows")


def _blocks(after: Evidence, change: ChangeReport) -> list[Any]:
    """Charts and tables as the report's chapter has them, without what the page says in its own places."""
    book = Book(after.model_copy(update={"change": change}))
    blocks = list(change_section(book, change)["blocks"])
    opening: Any = blocks[0]
    rest: list[Any] = list(blocks[2:])
    if change.reasons:
        rest = rest[1:]
    kept: list[Any] = [opening]
    skipping = False
    for block in rest:
        if block["kind"] == "heading":
            skipping = block["text"] in _SAID_ELSEWHERE
        if not skipping:
            kept.append(block)
    printed = clean(kept, visible, keep=frozenset({"svg", "index", "chart"}))
    for block in printed:
        if block["kind"] == "figure":
            block["svg"] = draw(clean(block["chart"], visible))
    return ready(printed)
