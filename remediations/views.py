"""Pages of remedies."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.access import MemberRequest, member
from accounts.sent_before import show_refusal
from assay.contracts import Comparison
from assay.errors import AssayError, BadInput
from assay.registry import REMEDIES
from assay.report import formatting as fmt
from audits.models import Finding, Run
from remediations.choices import SENSITIVE_AT, choices_of
from remediations.figures import change_figures, loss_figures
from remediations.forms import RemedyForm, SensitiveForm
from remediations.models import RemedyRun, RemedyState
from remediations.selectors import (
    GATE,
    change_lines,
    earlier_answers,
    progress_of,
    remedies_of,
    remedy_title,
)
from remediations.services import cancel_remedy, refuse_sensitive, start_remedy

__all__ = ["cancel", "new", "progress", "remedies", "remedy", "rules"]

_PAGE = 50


@require_GET
@member()
def remedies(request: MemberRequest) -> HttpResponse:
    """All remedy runs, newest first."""
    page = Paginator(remedies_of(request.organisation, brief=True), _PAGE).get_page(request.GET.get("page"))
    lines = [(one, remedy_title(one.remedy), _standing(one)) for one in page]
    return render(request, "remediations/remedies.html", {"page": page, "lines": lines})


@member("audit")
def new(request: MemberRequest, run: uuid.UUID) -> HttpResponse:
    """What could repair the model of an audit; with ?remedy=, the form that starts it."""
    baseline = _baseline(request, run)
    finding = _finding(request, baseline)
    chosen = request.POST.get("remedy") or request.GET.get("remedy") or ""
    choices = (
        choices_of(baseline, finding.pillar if finding is not None else "")
        if baseline.snapshot_digest
        else []
    )
    choice = next((one for one in choices if one.spec.id == chosen), None)
    form = None
    if choice is not None and choice.reason is None:
        form = RemedyForm(choice.remedy, baseline, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                made = start_remedy(
                    baseline,
                    chosen,
                    form.params(),
                    form.cleaned_data["seed"],
                    by=request.user,
                    finding=finding,
                    key=form.cleaned_data["key"],
                )
            except BadInput as error:
                show_refusal(form, error)
            else:
                messages.success(request, f"{made} has begun; its candidate will be audited by itself.")
                return redirect("remediations:remedy", request.organisation.slug, made.pk)
    answers = earlier_answers(request.organisation, baseline)
    return render(
        request,
        "remediations/new.html",
        {
            "baseline": baseline,
            "finding": finding,
            "lines": [
                (one, fmt.duration(one.seconds) if one.seconds is not None else "", answers.get(one.spec.id))
                for one in choices
            ],
            "available": sum(one.reason is None for one in choices),
            "choice": choice,
            "form": form,
            "parts": form.parts() if form is not None else ((), ()),
        },
    )


@require_GET
@member()
def remedy(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """One remedy: live while it works, then the candidate and what the gate says of it."""
    found = _get(request, pk)
    changes = found.changes or {}
    decisive = changes.get("decisive", [])
    lineage: dict[str, Any] = (found.candidate.lineage or {}) if found.candidate is not None else {}
    return render(
        request,
        "remediations/remedy.html",
        {
            "remedy": found,
            "title": remedy_title(found.remedy),
            "sensitive": _sensitive(found),
            "standing": _standing(found),
            "progress": progress_of(found),
            "estimate": fmt.duration(found.estimate_seconds),
            "gate": found.gate,
            "decisive": change_lines(decisive),
            "moved": change_lines(changes.get("moved", [])),
            "left": max(changes.get("moved_total", 0) - len(changes.get("moved", [])), 0),
            "verdict_changes": changes.get("verdict_changes", []),
            "statements": changes.get("statements", []),
            "changes": change_figures([Comparison.model_validate(entry) for entry in decisive]),
            "losses": loss_figures(lineage),
            "lineage": lineage,
            "learnt": sorted(lineage.get("rows", {}).items()),
            "figures": _figures(lineage),
            "params": sorted(found.params.items()),
        },
    )


@require_GET
@member()
def progress(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """The live part of a remedy's page; unchanged answers cost no bytes, a new state reloads the page."""
    rows = RemedyRun.objects.of(request.organisation).select_related("run", "model_version")
    found: RemedyRun = get_object_or_404(rows, pk=pk)
    if found.state != request.GET.get("state", found.state):
        answer = HttpResponse()
        answer["HX-Refresh"] = "true"
        answer["Cache-Control"] = "no-store"
        return answer
    now = progress_of(found)
    etag = f'"{hashlib.sha256(repr((found.state, now)).encode()).hexdigest()[:32]}"'
    answer = (
        HttpResponseNotModified()
        if request.headers.get("If-None-Match") == etag
        else render(request, "remediations/progress.html", {"remedy": found, "progress": now})
    )
    answer["ETag"], answer["Cache-Control"] = etag, "private, no-cache"
    return answer


@require_POST
@member("audit")
def cancel(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    found = _get(request, pk)
    try:
        cancel_remedy(found, by=request.user)
    except AssayError as error:
        messages.warning(request, error.message)
    else:
        messages.success(request, f"{found} is being stopped.")
    return redirect("remediations:remedy", request.organisation.slug, found.pk)


@member("write_policy")
def rules(request: MemberRequest) -> HttpResponse:
    """Where models that read sensitive columns when they decide are refused."""
    form = SensitiveForm(request.organisation, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        refuse_sensitive(
            request.organisation,
            everywhere=form.cleaned_data["everywhere"],
            policies=form.cleaned_data["policies"],
            by=request.user,
        )
        messages.success(request, "Saved.")
        return redirect("remediations:rules", request.organisation.slug)
    return render(request, "remediations/rules.html", {"form": form})


def _get(request: MemberRequest, pk: uuid.UUID) -> RemedyRun:
    found: RemedyRun = get_object_or_404(remedies_of(request.organisation), pk=pk)
    return found


def _baseline(request: MemberRequest, key: uuid.UUID) -> Run:
    rows = Run.objects.of(request.organisation).select_related(
        "system",
        "policy__policy",
        "subject__model_version__model",
        "subject__dataset_version__dataset",
    )
    found: Run = get_object_or_404(rows, pk=key)
    return found


def _finding(request: MemberRequest, baseline: Run) -> Finding | None:
    """The finding of ?finding=, of the same system. Raises Http404 for one that is not there."""
    text = request.POST.get("finding") or request.GET.get("finding") or ""
    if not text:
        return None
    try:
        key = uuid.UUID(text)
    except ValueError:
        raise Http404 from None
    rows = Finding.objects.of(request.organisation).filter(system=baseline.system_id)
    found: Finding = get_object_or_404(rows, pk=key)
    return found


def _standing(found: RemedyRun) -> tuple[str, str, str]:
    """Colour, icon and word of where it stands: the gate's answer once there is one."""
    if found.state == RemedyState.DONE and found.gate:
        return GATE[found.gate["exit_code"]]
    if found.state == RemedyState.FAILED:
        return "fail", "fail", "Failed"
    word = str(RemedyState(found.state).label)
    return "none", "none" if found.ended else "open", word


def _sensitive(found: RemedyRun) -> str:
    try:
        spec = REMEDIES.get(found.remedy).spec
    except BadInput:
        return ""
    return SENSITIVE_AT["inference" if found.params.get("use_sensitive") else spec.uses_sensitive_at]


def _figures(lineage: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, before and after of what the training came to."""
    figures = lineage.get("figures", {})
    found = []
    for title, name, unit in (
        ("Parameters", "parameters", "count"),
        ("Tuning loss", "tuning_loss", "score"),
        ("Tuning accuracy", "tuning_accuracy", "share"),
        ("Tuning accuracy without attack", "tuning_accuracy_clean", "share"),
    ):
        if f"{name}_after" in figures:
            before, after = figures.get(f"{name}_before"), figures[f"{name}_after"]
            found.append((title, fmt.value(before, unit), fmt.value(after, unit)))
    return found
