"""The review desk: evidence on the left, the decision on the right; and every step of a review."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from accounts.access import member
from accounts.permissions import may
from assay.errors import AssayError
from compliance import confirmation, selectors, services
from compliance.basis import what_changed
from compliance.desk import Desk, desk_of, findings_of
from compliance.forms import DecisionForm, ReasonForm
from compliance.independence import why_not_independent
from compliance.models import Review, ReviewState
from compliance.standing import Standing, standing_of
from compliance.words import today
from models_registry.models import ModelVersion

__all__ = ["decide", "give_back", "review", "revoke", "take", "withdraw"]


def _review(request: Any, pk: Any) -> Review:
    found: Review = get_object_or_404(selectors.with_names(request.organisation), pk=pk)
    return found


def _back(request: Any, pk: Any) -> HttpResponse:
    return redirect("compliance:review", request.organisation.slug, pk)


@member("read")
def review(request: Any, pk: Any) -> HttpResponse:
    found = _review(request, pk)
    desk = desk_of(found.run, found.snapshot_digest)
    return _desk(request, found, desk, _form(found, desk))


def _form(found: Review, desk: Desk, typed: Any = None) -> DecisionForm:
    if typed is None:
        return DecisionForm(desk.checklist, initial={"revision": found.revision})
    data = typed.copy()
    data["revision"] = str(found.revision)
    return DecisionForm(desk.checklist, data)


def _desk(
    request: Any,
    found: Review,
    desk: Desk,
    form: DecisionForm,
    *,
    conflict: str = "",
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    user, organisation = request.user, request.organisation
    version = found.run.subject.model_version
    standing = standing_of(found)
    if standing.valid and (changed := what_changed(found)):
        standing = Standing("stale", "warn", "warn", "Stale", changed)
    newer = (
        ModelVersion.objects.of(organisation)
        .filter(model=version.model_id, number__gt=version.number, state="ready")
        .select_related("model")
        .order_by("-number")
        .first()
    )
    reviews = may(user, "review", organisation)
    mine = found.state == ReviewState.IN_REVIEW and found.reviewer_id == user.pk
    return render(
        request,
        "compliance/desk.html",
        {
            "review": found,
            "run": found.run,
            "version": version,
            "desk": desk,
            "findings": findings_of(found.run, today(organisation)),
            "form": form,
            "standing": standing,
            "newer": newer,
            "deciding": reviews and mine and not desk.damage,
            "may_take": reviews and found.open and not mine,
            "barred": why_not_independent(found, user) if reviews and found.open else "",
            "cannot_sign": confirmation.why_cannot_sign(user) if reviews and mine else "",
            "confirmed": confirmation.proof_of(request) is not None,
            "second_factor": confirmation.second_factor_needed(),
            "requester": found.requested_by_id == user.pk,
            "conflict": conflict,
            "problem": problem,
        },
        status=status,
    )


@member("review")
def take(request: Any, pk: Any) -> HttpResponse:
    found = _review(request, pk)
    if request.method == "POST":
        try:
            services.take(found, request.user, over=request.POST.get("over") == "yes")
        except AssayError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, f"{found} is yours. Read, then decide on the right.")
    return _back(request, pk)


@member("review")
def give_back(request: Any, pk: Any) -> HttpResponse:
    found = _review(request, pk)
    if request.method == "POST":
        try:
            services.give_back(found, request.user)
        except AssayError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, f"{found} waits for a reviewer again.")
    return _back(request, pk)


@member("submit")
def withdraw(request: Any, pk: Any) -> HttpResponse:
    found = _review(request, pk)
    if request.method == "POST":
        try:
            services.withdraw(found, request.user)
        except AssayError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, f"{found} is withdrawn. You can submit the audit again.")
    return _back(request, pk)


@member("review")
def decide(request: Any, pk: Any) -> HttpResponse:
    """Sign. Who has not shown lately who they are does so first, and finds everything as they typed it."""
    found = _review(request, pk)
    if request.method != "POST":
        return _back(request, pk)
    desk = desk_of(found.run, found.snapshot_digest)
    form = DecisionForm(desk.checklist, request.POST)
    if not form.is_valid():
        return _desk(request, found, desk, form, status=422)
    if why := why_not_independent(found, request.user) or confirmation.why_cannot_sign(request.user):
        return _desk(request, found, desk, form, problem=why, status=422)
    if (proof := confirmation.proof_of(request)) is None:
        return confirmation.confirm(
            request, reverse("compliance:review", args=[request.organisation.slug, pk])
        )
    given = form.cleaned_data
    try:
        done = services.decide(
            found,
            request.user,
            given["outcome"],
            given["reason"],
            given["conditions"],
            given["valid_until"],
            form.checklist(),
            given["revision"],
            proof=proof,
        )
    except AssayError as error:
        found = _review(request, pk)
        if error.code != "conflict":
            return _desk(request, found, desk, form, problem=error.message, status=422)
        return _desk(
            request, found, desk, _form(found, desk, request.POST), conflict=error.message, status=409
        )
    messages.success(request, f"{done}: {done.get_state_display().lower()}. Your decision is recorded.")
    return _back(request, pk)


@member("revoke")
def revoke(request: Any, pk: Any) -> HttpResponse:
    """A page of its own: what is revoked stays revoked."""
    found = _review(request, pk)
    if found.state != ReviewState.APPROVED or found.revoked_at is not None:
        messages.info(request, f"{found} is no approval that could be revoked.")
        return _back(request, pk)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        services.revoke(found, request.user, form.cleaned_data["reason"])
        messages.success(request, f"{found} is revoked. What is deployed stays so, with a warning.")
        return _back(request, pk)
    return render(
        request,
        "compliance/revoke.html",
        {
            "review": found,
            "version": found.run.subject.model_version,
            "form": form,
        },
        status=422 if request.method == "POST" else 200,
    )
