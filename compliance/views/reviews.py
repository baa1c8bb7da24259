"""The list of reviews, asking for one, and management's replies."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import member
from accounts.permissions import may
from assay.errors import AssayError, BadInput
from audits.models import Finding, Run
from compliance import selectors, services
from compliance.desk import findings_of
from compliance.forms import ReplyForm, SubmitForm
from compliance.models import Reply, Review, ReviewState
from compliance.words import today

__all__ = ["reply", "reviews", "submit"]


@member("read")
def reviews(request: Any) -> HttpResponse:
    counts = selectors.counted(request.organisation, request.user)
    show = request.GET.get("show", "")
    if show not in selectors.VIEWS:
        show = "open" if may(request.user, "review", request.organisation) or counts["open"] else "decided"
    found = selectors.listed(request.organisation, show, request.user)
    page = Paginator(found, 25).get_page(request.GET.get("page"))
    return render(
        request,
        "compliance/reviews.html",
        {
            "rows": selectors.rows(list(page.object_list), request.user),
            "page": page,
            "show": show,
            "views": [(key, title, counts[key]) for key, title in selectors.VIEWS.items()],
            "unapproved": selectors.deployed_without_approval(request.organisation),
        },
    )


def _run(request: Any, pk: Any) -> Run:
    runs = Run.objects.of(request.organisation).select_related(
        "organisation", "system", "policy__policy", "subject__model_version__model",
        "subject__dataset_version__dataset",
    )  # fmt: skip
    found: Run = get_object_or_404(runs, pk=pk)
    return found


@member("submit")
def submit(request: Any, run: Any) -> HttpResponse:
    """What will be bound, replies that are lacking, and the request."""
    found = _run(request, run)
    waiting = (
        Review.objects.of(request.organisation)
        .filter(run=found, state__in=(ReviewState.SUBMITTED, ReviewState.IN_REVIEW))
        .first()
    )
    if waiting is not None:
        messages.info(request, f"{found} is with the reviewers already.")
        return redirect("compliance:review", request.organisation.slug, waiting.pk)
    typed = request.POST if request.method == "POST" else None
    seen = findings_of(found, today(found.organisation))
    lacking = [s for s in seen if s.wanted and not s.replies]
    reply_forms = [ReplyForm(s.finding, typed, initial=_earlier(s.others)) for s in lacking]
    form = SubmitForm(typed)
    problem = (
        "" if found.snapshot_digest else f"{found} has measured nothing yet: there is nothing to decide on."
    )
    status = 200
    if request.method == "POST" and not problem:
        valid = [each.is_valid() for each in (form, *reply_forms)]
        if all(valid):
            try:
                review = _submit(found, request.user, form, reply_forms)
            except AssayError as error:
                problem = error.message
            else:
                messages.success(request, f"{review} waits for a reviewer now. It is bound to the snapshot.")
                return redirect("compliance:review", request.organisation.slug, review.pk)
        status = 422
    return render(
        request,
        "compliance/submit.html",
        {
            "run": found,
            "form": form,
            "lacking": list(zip(lacking, reply_forms, strict=True)),
            "problem": problem,
        },
        status=status,
    )


def _earlier(replies: list[Reply]) -> dict[str, Any] | None:
    """What was replied to the same finding in an earlier run, to be confirmed or changed."""
    return {"text": replies[0].text, "action": replies[0].action, "due": replies[0].due} if replies else None


@transaction.atomic
def _submit(run: Run, by: Any, form: SubmitForm, reply_forms: list[ReplyForm]) -> Review:
    for each in reply_forms:
        services.reply(each.finding, run, by=by, **each.cleaned_data)
    return services.submit_review(run, by, form.cleaned_data["message"], form.cleaned_data["purpose_stage"])


@member("reply")
def reply(request: Any, finding: Any) -> HttpResponse:
    """Management's reply to one finding, as its latest run (or `?run=`) saw it."""
    found: Finding = get_object_or_404(Finding.objects.of(request.organisation), pk=finding)
    sightings = found.sightings.select_related("run").order_by("-pk")
    wanted = request.GET.get("run") or request.POST.get("run")
    sighting = next((s for s in sightings if not wanted or str(s.run_id) == wanted), None)
    replies = list(
        Reply.objects.of(request.organisation)
        .filter(finding=found)
        .select_related("by", "run")
        .order_by("-at")
    )
    typed = request.POST if request.method == "POST" else None
    form = ReplyForm(found, typed, initial=_earlier(replies), prefix="")
    problem = "" if sighting else "No run has this finding, so there is nothing to reply to."
    status = 200
    if request.method == "POST" and sighting is not None:
        if form.is_valid():
            try:
                services.reply(found, sighting.run, by=request.user, **form.cleaned_data)
            except BadInput as error:
                problem = error.message
            else:
                messages.success(request, f"Your reply to F-{found.number} is recorded.")
                return redirect(request.path)
        status = 422
    return render(
        request,
        "compliance/reply.html",
        {
            "finding": found,
            "sighting": sighting,
            "replies": replies,
            "form": form,
            "problem": problem,
        },
        status=status,
    )
