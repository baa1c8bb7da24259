"""The stage of a model version: where it stands, what carries it further, and how it got there."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import member
from accounts.permissions import may
from assay.errors import AssayError
from compliance import selectors
from compliance.forms import StageForm
from compliance.stages import approval_for, change_stage, is_up, steps_from, why_not_up
from compliance.standing import standing_of
from models_registry.models import ModelVersion, Stage

__all__ = ["stage"]


@member("read")
def stage(request: Any, version: Any) -> HttpResponse:
    versions = ModelVersion.objects.of(request.organisation).select_related("model__system", "organisation")
    found: ModelVersion = get_object_or_404(versions, pk=version)
    allowed = may(request.user, "promote", request.organisation)
    if request.method == "POST" and not allowed:
        raise PermissionDenied(f"Your role here, {request.role}, does not allow this.")
    steps = steps_from(found.stage)
    form = StageForm(
        steps,
        request.POST if request.method == "POST" else None,
        initial={"expected": found.stage, "former": "retire"},
    )
    problem, status = "", 200
    if request.method == "POST":
        if form.is_valid():
            given = form.cleaned_data
            try:
                change_stage(
                    found,
                    given["after"],
                    request.user,
                    given["reason"],
                    former=given["former"] or "retire",
                    expected=given["expected"],
                )
            except AssayError as error:
                problem, status = error.message, 409 if error.code == "conflict" else 422
            else:
                messages.success(request, f"{found} is {Stage(given['after']).label.lower()} now.")
                return redirect(request.path)
        else:
            status = 422
    review = approval_for(found)
    ups = [(step, why_not_up(review, step)) for step in steps if is_up(found.stage, step)]
    deployed = [
        v
        for v in ModelVersion.objects.of(request.organisation)
        .filter(model=found.model_id, stage=Stage.DEPLOYED)
        .select_related("model")
        if v.pk != found.pk
    ]
    standing = standing_of(review) if review else None
    holds = why_not_up(review, Stage.APPROVED)
    return render(
        request,
        "compliance/stage.html",
        {
            "version": found,
            "form": form,
            "allowed": allowed,
            "review": review,
            "standing": standing,
            "holds": holds,
            "warned": found.stage == Stage.DEPLOYED and holds,
            "ups": ups,
            "blocked": {str(step) for step, why in ups if why},
            "deployed": deployed,
            "changes": selectors.stage_changes(found),
            "problem": problem,
        },
        status=status,
    )
