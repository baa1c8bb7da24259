"""Pages of runs: the list, a new audit, and one page a run from draft to result."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseNotModified, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from accounts.access import MemberRequest, member
from accounts.permissions import may
from accounts.sent_before import AGAIN, UsedBefore
from assay.errors import AssayError
from audits import result_pages, services
from audits.forms import NewAuditForm, PlanForm
from audits.models import PolicyVersion, Run, RunState
from audits.plan_page import plan_page
from audits.policies import adopt_pack
from audits.progress import Progress, is_being_read, progress_of, reading_of
from audits.selectors import OUTCOMES, RunFilter, runs_page, systems_with_runs, tiles_of
from audits.wording import STATE_LOOKS, TIERS
from models_registry.models import AISystem, DatasetVersion, IntakeState, ModelVersion

__all__ = [
    "again",
    "cancel",
    "change",
    "delete",
    "new_run",
    "progress",
    "read_again",
    "run",
    "runs",
    "start",
]


def get_run(request: MemberRequest, pk: uuid.UUID) -> Run:
    """The organisation's run with what its pages name; 404 otherwise."""
    found: Run = get_object_or_404(
        Run.objects.of(request.organisation).select_related(
            "organisation",
            "system",
            "policy__policy",
            "baseline",
            "created_by",
            "job",
            "subject__model_version__model",
            "subject__dataset_version__dataset",
        ),
        pk=pk,
    )
    return found


@member()
@require_GET
def runs(request: MemberRequest) -> HttpResponse:
    wanted = RunFilter.of(request.GET)
    page = runs_page(request.organisation, wanted, request.GET.get("page", 1))
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "page": page,
        "lines": [(run, tiles_of(run), STATE_LOOKS[run.state]) for run in page],
        "wanted": wanted,
        "systems": systems_with_runs(request.organisation),
        "states": RunState.choices,
        "outcomes": OUTCOMES.items(),
        "query": query.urlencode(),
    }
    return render(request, "audits/runs.html", context)


@member("audit")
@require_http_methods(["GET", "POST"])
def new_run(request: MemberRequest) -> HttpResponse:
    given = request.POST if request.method == "POST" else request.GET
    system = _system(request, given)
    if system is None:
        systems = AISystem.objects.of(request.organisation).filter(archived_at=None).order_by("name")
        if len(systems) != 1:
            return render(request, "audits/choose_system.html", {"systems": systems})
        system = systems[0]
    once = _once(request)
    if request.method == "POST":
        form = NewAuditForm(request.organisation, system, data=request.POST)
        if form.is_valid():
            try:
                made = _draft(request, form.cleaned_data, once)
            except UsedBefore:
                form.add_error(None, AGAIN)
                once = None
            except AssayError as error:
                form.add_error(None, error.message)
            else:
                return redirect("audits:run", request.organisation.slug, made.pk)
    else:
        initial = {
            name: request.GET[name]
            for name in ("model_version", "dataset_version", "baseline", "policy", "tier")
            if name in request.GET
        }
        form = NewAuditForm(request.organisation, system, initial=initial)
        _preselect(form)
    context = {"form": form, "system": system, "tiers": TIERS, "once": once or uuid.uuid4()}
    return render(request, "audits/new_run.html", context, status=400 if form.errors else 200)


@member()
@require_GET
def run(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    found = get_run(request, pk)
    if found.state == RunState.DRAFT:
        return _draft_page(request, found)
    if not found.ended:
        context = {"run": found, "progress": progress_of(found), "etag": ""}
        return render(request, "audits/run_live.html", context)
    if not found.snapshot_digest:
        return render(request, "audits/run_ended.html", {"run": found, "look": STATE_LOOKS[found.state]})
    return result_pages.show(request, found)


@member("audit")
@require_POST
def change(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """Change a draft's plan; what was typed stays where it is refused."""
    found = get_run(request, pk)
    form = PlanForm(found, request.POST)
    if found.baseline_id is not None:
        if form.is_valid():
            services.change_draft(found, title=form.cleaned_data["title"])
        return redirect("audits:run", request.organisation.slug, pk)
    if found.state != RunState.DRAFT or found.subject.state != IntakeState.READY or not form.is_valid():
        return _draft_page(request, found, form) if found.state == RunState.DRAFT else _to(request, found)
    methods = form.methods()
    wrong = [each for each in methods.values() if not each.is_valid()]
    if not wrong and not methods:
        form.add_error(None, "No method is chosen: choose at least one.")
    if not wrong and not form.errors:
        every = request.POST.get("every") and set(methods) >= set(request.POST.getlist("offered"))
        try:
            services.change_draft(
                found,
                policy=_policy(request, form.cleaned_data["policy"]),
                tier=form.cleaned_data["tier"],
                seed=form.cleaned_data["seed"],
                title=form.cleaned_data["title"],
                methods=None if every else sorted(methods),
                params={name: each.changed for name, each in methods.items() if each.changed},
            )
        except AssayError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "The plan was changed. Nothing has been measured yet.")
            return redirect("audits:run", request.organisation.slug, pk)
    return _draft_page(request, found, form, methods)


@member("audit")
@require_POST
def start(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    found = get_run(request, pk)
    if "offered" in request.POST and found.state == RunState.DRAFT:
        form = PlanForm(found, request.POST)
        if form.moved():
            return _draft_page(request, found, form, form.methods(), not_started=True)
    try:
        services.start_run(found, by=request.user, seen=request.POST.get("plan_sha256", ""))
    except AssayError as error:
        found.refresh_from_db()
        if found.state == RunState.RUNNING:
            messages.info(request, f"{found} runs already; it was started once only.")
        else:
            messages.error(request, error.message)
    else:
        messages.success(request, f"{found} has started. Its plan is fixed.")
    return _to(request, found)


@member("audit")
@require_http_methods(["GET", "POST"])
def cancel(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    found = get_run(request, pk)
    if request.method == "POST":
        try:
            services.cancel_run(found, by=request.user)
        except AssayError as error:
            messages.info(request, error.message)
        else:
            messages.success(request, f"{found} is being cancelled. It stays in the list of audits.")
        return _to(request, found)
    if found.ended:
        return _to(request, found)
    return render(request, "audits/cancel.html", {"run": found})


@member("audit")
@require_http_methods(["GET", "POST"])
def delete(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    found = get_run(request, pk)
    if request.method == "POST":
        try:
            services.delete_draft(found)
        except AssayError as error:
            messages.error(request, error.message)
            return _to(request, found)
        messages.success(request, f"The draft of {found} was deleted.")
        return redirect("audits:runs", request.organisation.slug)
    if found.state != RunState.DRAFT:
        return _to(request, found)
    return render(request, "audits/delete.html", {"run": found})


@member("audit")
@require_POST
def again(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """A new draft with the same request."""
    found = get_run(request, pk)
    made = services.try_again(found, by=request.user)
    messages.success(request, f"{made} asks for what {found} asked for. Look at its plan, then start it.")
    return _to(request, made)


@member("audit")
@require_POST
def read_again(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    found = get_run(request, pk)
    if found.state == RunState.DRAFT:
        services.read_again(found, by=request.user)
    return _to(request, found)


@member()
@require_GET
def progress(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """The moving part of a page, polled every 2 s: 304 while nothing moved; a reload once there is more."""
    found = get_run(request, pk)
    if is_being_read(found):
        shown: Progress = reading_of(found)
    elif found.state in (RunState.RUNNING, RunState.WAITING):
        shown = progress_of(found)
    else:
        return HttpResponseClientRefresh()
    text = render_to_string("audits/progress.html", {"run": found, "progress": shown}, request)
    etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    answer = HttpResponseNotModified() if request.headers.get("If-None-Match") == etag else HttpResponse(text)
    answer["ETag"], answer["Cache-Control"] = etag, "private, no-cache"
    return answer


def _draft_page(
    request: MemberRequest,
    found: Run,
    form: PlanForm | None = None,
    typed: Any = None,
    *,
    not_started: bool = False,
) -> HttpResponse:
    subject = found.subject
    if subject.state == IntakeState.READY:
        page = plan_page(found, typed)
        context = {
            "run": found,
            "page": page,
            "form": form or PlanForm(found),
            "not_started": not_started,
            "tier": TIERS[found.tier],
            "ticked": set(typed) if typed is not None else None,
            "may_change": may(request.user, "audit", request.organisation) and found.baseline_id is None,
        }
        return render(request, "audits/plan.html", context, status=400 if form is not None else 200)
    if is_being_read(found):
        return render(request, "audits/reading.html", {"run": found, "progress": reading_of(found)})
    return render(request, "audits/refused.html", {"run": found})


def _to(request: MemberRequest, found: Run) -> HttpResponse:
    return redirect("audits:run", request.organisation.slug, found.pk)


def _draft(request: MemberRequest, said: dict[str, Any], key: uuid.UUID | None) -> Run:
    if said["baseline"] is not None:
        return services.repeat_run(
            said["baseline"],
            said["model_version"],
            data=said["dataset_version"],
            by=request.user,
            start=False,
            title=said["title"],
            trigger="person",
            key=key,
        )
    return services.draft_run(
        said["model_version"],
        said["dataset_version"],
        by=request.user,
        policy=_policy(request, said["policy"]),
        tier=said["tier"],
        seed=said["seed"] or 0,
        title=said["title"],
        key=key,
    )


def _once(request: MemberRequest) -> uuid.UUID | None:
    """The id that a form carries, so that sending it twice makes one run."""
    try:
        return uuid.UUID(request.POST.get("once", ""))
    except ValueError:
        return None


def _policy(request: MemberRequest, choice: str) -> PolicyVersion | None:
    """The version behind a choice of `policy_choices`; a built-in pack is copied in."""
    if not choice:
        return None
    if choice.startswith("pack:"):
        return adopt_pack(request.organisation, choice.removeprefix("pack:"), request.user)
    found: PolicyVersion = PolicyVersion.objects.of(request.organisation).get(pk=choice)
    return found


def _system(request: MemberRequest, given: QueryDict) -> AISystem | None:
    """The system that the address names, or that a version or baseline in it belongs to."""
    every = AISystem.objects.of(request.organisation)
    for name, path in (
        ("system", "pk"),
        ("model_version", "models__versions"),
        ("dataset_version", "datasets__versions"),
        ("baseline", "runs"),
    ):
        try:
            key = uuid.UUID(given.get(name, ""))
        except ValueError:
            continue
        found: AISystem | None = every.filter(**{path: key}).first()
        if found is not None:
            return found
    return None


def _preselect(form: NewAuditForm) -> None:
    """Where there is one choice, it is chosen; a baseline brings its data."""
    for name, kind in (("model_version", ModelVersion), ("dataset_version", DatasetVersion)):
        field: Any = form.fields[name]
        newest = field.queryset.order_by("-created_at")[:2]
        if name not in form.initial and len(newest) == 1 and isinstance(newest[0], kind):
            form.initial[name] = newest[0].pk
