"""Coverage of frameworks' controls: all systems side by side, and one system control by control."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from accounts.access import member
from assay.errors import AssayError
from compliance.attesting import attest as say
from compliance.attesting import withdraw_attestation
from compliance.coverage import STATES, Coverage, coverage_of
from compliance.forms import AttestationForm
from compliance.frameworks import Framework, find_control, find_framework, frameworks
from compliance.models import Attestation
from models_registry.models import AISystem

__all__ = ["attest", "bar", "controls", "system_controls", "withdraw"]


def bar(coverage: Coverage) -> list[dict[str, Any]]:
    """Segments of the coverage bar, in shares of 100."""
    total, at, segments = len(coverage.rows), 0.0, []
    for state, count in coverage.counts.items():
        if count:
            width = 100 * count / total
            segments.append({"state": state, "x": round(at, 3), "width": round(width, 3), "count": count})
            at += width
    return segments


def _framework(request: Any) -> Framework:
    wanted = request.GET.get("framework")
    if not wanted:
        return frameworks()[0]
    found = find_framework(wanted)
    if found is None:
        raise Http404
    return found


def _chooser(chosen: Framework, path: str) -> list[tuple[Framework, bool, str]]:
    return [(f, f is chosen, f"{path}?framework={f.slug}") for f in frameworks()]


def _legend() -> list[tuple[str, str]]:
    return [(state, word) for state, (_look, _mark, word) in STATES.items()]


@member("read")
def controls(request: Any) -> HttpResponse:
    chosen = _framework(request)
    systems = AISystem.objects.of(request.organisation).filter(archived_at=None).order_by("number")
    page = Paginator(systems, 25).get_page(request.GET.get("page"))
    shown = list(page.object_list)
    covered = coverage_of(request.organisation, shown, [chosen])
    rows = [
        {"system": s, "runs": covered[s.pk][0].runs, "coverage": c, "bar": bar(c)}
        for s in shown
        for c in covered[s.pk][1]
    ]
    return render(
        request,
        "compliance/controls.html",
        {
            "chosen": chosen,
            "choices": _chooser(chosen, request.path),
            "rows": rows,
            "page": page,
            "legend": _legend(),
        },
    )


@member("read")
def system_controls(request: Any, system: Any) -> HttpResponse:
    found: AISystem = get_object_or_404(AISystem.objects.of(request.organisation), pk=system)
    chosen = _framework(request)
    shown, (coverage,) = coverage_of(request.organisation, [found], [chosen])[found.pk]
    return render(
        request,
        "compliance/system_controls.html",
        {
            "system": found,
            "chosen": chosen,
            "choices": _chooser(chosen, request.path),
            "coverage": coverage,
            "bar": bar(coverage),
            "runs": shown.runs,
            "legend": _legend(),
        },
    )


@member("reply")
def attest(request: Any, system: Any) -> HttpResponse:
    """A person's word on one control (`?framework=&control=`)."""
    found: AISystem = get_object_or_404(
        AISystem.objects.of(request.organisation).select_related("organisation"), pk=system
    )
    typed = request.POST if request.method == "POST" else None
    asked = typed or request.GET
    framework = find_framework(asked.get("framework", ""))
    control = find_control(asked.get("framework", ""), asked.get("control", ""))
    if framework is None or control is None:
        raise Http404
    form = AttestationForm(typed, initial={"framework": framework.name, "control": control.id})
    problem, status = "", 200
    if request.method == "POST":
        if form.is_valid():
            given = form.cleaned_data
            try:
                say(
                    found,
                    framework.name,
                    control.id,
                    given["text"],
                    given["valid_until"],
                    by=request.user,
                    applies=given["applies"] == "yes",
                )
            except AssayError as error:
                problem = error.message
            else:
                messages.success(request, f"Your word on {control.id} is recorded.")
                there = reverse("compliance:system_controls", args=[request.organisation.slug, found.pk])
                return redirect(f"{there}?framework={framework.slug}#{control.anchor}")
        status = 422
    return render(
        request,
        "compliance/attest.html",
        {
            "system": found,
            "framework": framework,
            "control": control,
            "form": form,
            "problem": problem,
        },
        status=status,
    )


@member("reply")
def withdraw(request: Any, pk: Any) -> HttpResponse:
    found: Attestation = get_object_or_404(Attestation.objects.of(request.organisation), pk=pk)
    framework = find_framework(found.framework)
    if request.method == "POST":
        withdraw_attestation(found, request.user)
        messages.success(request, f"The word on {found.control} is withdrawn. It stays in the trail.")
    there = reverse("compliance:system_controls", args=[request.organisation.slug, found.system_id])
    return redirect(f"{there}?framework={framework.slug}" if framework else there)
