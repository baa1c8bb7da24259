"""Pages of policies: the list, one policy's rules and versions, and writing its text."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access import MemberRequest, member
from assay import contracts
from assay.errors import AssayError
from assay.policy import list_packs
from audits import policies as services
from audits.forms import PolicyTextForm
from audits.models import Policy, PolicyVersion, Run
from audits.rules_table import rule_tables
from audits.selectors import policies_of

__all__ = ["adopt", "archive", "new_policy", "new_version", "pack", "policies", "policy", "policy_text"]


@member()
@require_GET
def policies(request: MemberRequest) -> HttpResponse:
    every = list(policies_of(request.organisation, archived=None))
    newest = PolicyVersion.objects.of(request.organisation).filter(pk__in=[p.newest for p in every])
    versions = {v.pk: v for v in newest.defer("toml")}
    names = {p.name for p in every}
    context = {
        "lines": [(p, versions.get(p.newest)) for p in every if p.archived_at is None],
        "archived": [(p, versions.get(p.newest)) for p in every if p.archived_at is not None],
        "packs": [(c, c.title in names) for c in list_packs()],
    }
    return render(request, "audits/policies.html", context)


@member()
@require_GET
def pack(request: MemberRequest, name: str) -> HttpResponse:
    """A built-in pack, before it is copied in."""
    content = next((c for c in list_packs() if c.id == name), None)
    if content is None:
        return redirect("audits:policies", request.organisation.slug)
    taken = Policy.objects.of(request.organisation).filter(name=content.title).first()
    context = {"content": content, "tables": rule_tables(content), "taken": taken}
    return render(request, "audits/pack.html", context)


@member("write_policy")
@require_POST
def adopt(request: MemberRequest) -> HttpResponse:
    made = services.adopt_pack(request.organisation, request.POST.get("pack", ""), request.user)
    messages.success(request, f"{made} belongs to this organisation now: edit it as you need.")
    return redirect("audits:policy", request.organisation.slug, made.policy_id)


@member()
@require_GET
def policy(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """One version's rules (?version=N; the newest by default), and all versions."""
    found = _policy(request, pk)
    versions = list(found.versions.select_related("created_by").defer("toml").order_by("-number"))
    wanted = request.GET.get("version", "")
    shown = next((v for v in versions if str(v.number) == wanted), versions[0] if versions else None)
    content = contracts.Policy.model_validate(shown.content) if shown is not None else None
    context = {
        "policy": found,
        "versions": versions,
        "shown": shown,
        "content": content,
        "tables": rule_tables(content) if content is not None else [],
        "runs": Run.objects.of(request.organisation).filter(policy__policy=found).count(),
    }
    return render(request, "audits/policy.html", context)


@member()
@require_GET
def policy_text(request: MemberRequest, pk: uuid.UUID, number: int) -> HttpResponse:
    """The text of a version, the very bytes that its digest is of."""
    found = get_object_or_404(_policy(request, pk).versions, number=number)
    answer = HttpResponse(found.toml.encode(), content_type="application/toml; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="policy-{number}.toml"'
    return answer


@member("write_policy")
@require_http_methods(["GET", "POST"])
def new_policy(request: MemberRequest) -> HttpResponse:
    return _write(request, None)


@member("write_policy")
@require_http_methods(["GET", "POST"])
def new_version(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    return _write(request, _policy(request, pk))


@member("write_policy")
@require_POST
def archive(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """Archive, or restore with `restore`."""
    found = _policy(request, pk)
    if request.POST.get("restore"):
        services.restore_policy(found, request.user)
        messages.success(request, f"{found} is offered for new audits again.")
    else:
        services.archive_policy(found, request.user)
        messages.success(request, f"{found} is no longer offered for new audits. You can restore it below.")
    return redirect("audits:policy", request.organisation.slug, pk)


def _write(request: MemberRequest, found: Policy | None) -> HttpResponse:
    newest = found.versions.order_by("-number").first() if found is not None else None
    place = None
    if request.method == "POST":
        form = PolicyTextForm(request.POST, request.FILES)
        if form.is_valid():
            toml = form.cleaned_data["toml"]
            try:
                if found is None:
                    made = services.create_policy(request.organisation, toml, request.user)
                else:
                    made = services.new_policy_version(found, toml, request.user)
            except AssayError as error:
                form = PolicyTextForm(initial={"toml": toml}, data={"toml": toml})
                form.add_error("toml", error.message)
                place = services.place_of_error(toml, error.message)
            else:
                messages.success(request, f"{made} is the newest version. Audits that ran keep theirs.")
                return redirect("audits:policy", request.organisation.slug, made.policy_id)
    else:
        form = PolicyTextForm(initial={"toml": newest.toml if newest is not None else ""})
    context: dict[str, Any] = {"form": form, "policy": found, "newest": newest, "place": place}
    return render(request, "audits/policy_text.html", context, status=400 if form.errors else 200)


def _policy(request: MemberRequest, pk: uuid.UUID) -> Policy:
    found: Policy = get_object_or_404(Policy.objects.of(request.organisation), pk=pk)
    return found
