"""Findings: the list, one finding, and the decisions on it."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from accounts.access import MemberRequest, member
from accounts.models import User
from accounts.permissions import may
from assay.contracts import PILLAR_TITLES
from assay.errors import AssayError
from audits.findings_selectors import choices, detail_of, list_findings
from audits.findings_services import accept_finding, assign_finding, is_open, reopen_finding, today_in
from audits.models import Finding

__all__ = ["accept", "assign", "finding", "findings", "reopen"]

_PAGE = 40
_FILTERS = ("state", "system", "pillar", "severity", "owner")


class AssignForm(forms.Form):
    """Who answers for a finding."""

    owner = forms.ModelChoiceField(queryset=User.objects.none(), required=False, empty_label="Nobody yet")
    due = forms.DateField(
        required=False, label="To be mended by", widget=forms.DateInput(attrs={"type": "date"})
    )
    cause = forms.CharField(
        required=False,
        max_length=4_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What is known of why it happens: too few training rows of a group, a proxy column, …",
    )

    def __init__(self, *args: Any, members: QuerySet[User], **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["owner"].queryset = members  # type: ignore[attr-defined]


class AcceptForm(forms.Form):
    """Living with a finding until a day."""

    until = forms.DateField(label="Until and including", widget=forms.DateInput(attrs={"type": "date"}))
    reason = forms.CharField(
        max_length=4_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Shown to reviewers and kept in the trail.",
    )


@member()
def findings(request: MemberRequest) -> HttpResponse:
    """All findings of the organisation; open ones unless asked otherwise."""
    wanted = {name: request.GET.get(name, "") for name in _FILTERS}
    wanted["state"] = wanted["state"] or "open"
    page = Paginator(list_findings(request.organisation, wanted), _PAGE).get_page(request.GET.get("page"))
    today = today_in(request.organisation)
    rows = [_row(each, today) for each in page.object_list]
    filters = [
        {"name": name, "label": name.capitalize(), "value": wanted[name], "options": options}
        for name, options in choices(request.organisation).items()
    ]
    query = request.GET.copy()
    query.pop("page", None)
    return render(
        request,
        "audits/findings.html",
        {
            "page": page,
            "rows": rows,
            "filters": filters,
            "filtered": any(wanted[name] for name in _FILTERS if name != "state"),
            "state": wanted["state"],
            "query": query.urlencode(),
        },
    )


@member()
def finding(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """One finding: what was broken, what was seen, by which runs, and what people decided."""
    return _page(request, _found(request, pk))


@require_POST
@member("reply")
def assign(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """Owner, due date and cause."""
    found = _found(request, pk)
    form = AssignForm(request.POST, members=_members(request))
    if not form.is_valid():
        return _page(request, found, assign_form=form, status=400)
    try:
        assign_finding(found, **form.cleaned_data, by=request.user)
    except AssayError as error:
        form.add_error(None, error.message)
        return _page(request, found, assign_form=form, status=400)
    messages.success(request, f"F-{found.number} was assigned.")
    return redirect("audits:finding", request.organisation.slug, found.pk)


@require_POST
@member("promote")
def accept(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """Accept for a time, with a reason."""
    found = _found(request, pk)
    form = AcceptForm(request.POST)
    if not form.is_valid():
        return _page(request, found, accept_form=form, status=400)
    try:
        done = accept_finding(found, **form.cleaned_data, by=request.user)
    except AssayError as error:
        form.add_error(
            "until" if error.code == "bad_input" and "until" in form.fields else None, error.message
        )
        return _page(request, found, accept_form=form, status=409 if error.code == "conflict" else 400)
    messages.success(request, f"F-{found.number} is accepted until {done.accepted_until:%-d %B %Y}.")
    return redirect("audits:finding", request.organisation.slug, found.pk)


@require_POST
@member("promote")
def reopen(request: MemberRequest, pk: uuid.UUID) -> HttpResponse:
    """End an acceptance."""
    found = _found(request, pk)
    reopen_finding(found, reason=request.POST.get("reason", ""), by=request.user)
    messages.success(request, f"F-{found.number} is open.")
    return redirect("audits:finding", request.organisation.slug, found.pk)


def _found(request: MemberRequest, pk: uuid.UUID) -> Finding:
    rows = Finding.objects.of(request.organisation).select_related("system", "owner", "organisation")
    found: Finding = get_object_or_404(rows, pk=pk)
    return found


def _members(request: MemberRequest) -> QuerySet[User]:
    return request.organisation.members.filter(is_active=True).order_by("name")


def _row(each: Finding, today: Any) -> dict[str, Any]:
    return {
        "finding": each,
        "pillar": PILLAR_TITLES.get(each.pillar, each.pillar),  # type: ignore[call-overload]
        "open": is_open(each, today),
        "expired": each.state == Finding.State.ACCEPTED and is_open(each, today),
        "overdue": each.due is not None and each.due < today and is_open(each, today),
    }


def _page(
    request: MemberRequest,
    found: Finding,
    *,
    assign_form: AssignForm | None = None,
    accept_form: AcceptForm | None = None,
    status: int = 200,
) -> HttpResponse:
    initial = {"owner": found.owner_id, "due": found.due, "cause": found.cause}
    context = _row(found, today_in(request.organisation)) | {
        "detail": detail_of(found),
        "accept_form": accept_form or AcceptForm(),
        "accepting": accept_form is not None,
    }
    if may(request.user, "reply", request.organisation):
        context["assign_form"] = assign_form or AssignForm(initial=initial, members=_members(request))
    return render(request, "audits/finding.html", context, status=status)
