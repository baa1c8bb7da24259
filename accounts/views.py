"""Members, invitations and the organisation itself; for owners."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.mail import send_mail
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts import invitations, members, once, services
from accounts.access import member
from accounts.forms import InviteForm, OrganisationForm, RoleForm
from accounts.models import Invitation, Membership, Role
from accounts.selectors import members_of
from assay.errors import AssayError

__all__ = ["change_role", "invite", "members_page", "organisation_settings", "remove_member", "withdraw"]

_log = logging.getLogger(__name__)


@member("manage_members")
def members_page(request: Any) -> HttpResponse:
    return _members(request, InviteForm())


def _members(request: Any, form: InviteForm, status: int = 200) -> HttpResponse:
    context = {
        "members": members_of(request.organisation),
        "invitations": invitations.open_invitations(request.organisation)
        .select_related("invited_by")
        .order_by("-created_at"),
        "roles": Role.choices,
        "form": form,
        "shown": once.take(request, "invitation"),
    }
    return render(request, "accounts/members.html", context, status=status)


@require_POST
@member("manage_members")
def invite(request: Any) -> HttpResponse:
    form = InviteForm(request.POST)
    if form.is_valid():
        try:
            made, secret = invitations.invite(
                request.organisation,
                form.cleaned_data["email"],
                form.cleaned_data["role"],
                by=request.user,
            )
        except AssayError as error:
            form.add_error("email", error.message)
        else:
            link = f"{settings.ENV.url}{reverse('invited', args=[secret])}"
            mailed = _mail(made, link)
            once.keep(request, "invitation", email=made.email, link=link, mailed="yes" if mailed else "")
            return redirect("accounts:members", request.organisation.slug)
    return _members(request, form, 422)


def _mail(invitation: Invitation, link: str) -> bool:
    """Send the link where mail is set up. A mail that fails is no reason to fail: the link is shown too."""
    if not settings.ENV.email_url:
        return False
    text = render_to_string("accounts/invitation_mail.txt", {"invitation": invitation, "link": link})
    try:
        send_mail(f"Join {invitation.organisation} on Assay", text, None, [invitation.email])
    except OSError:
        _log.exception("The invitation for organisation %s was not mailed.", invitation.organisation_id)
        return False
    return True


@require_POST
@member("manage_members")
def withdraw(request: Any, pk: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(Invitation.objects.of(request.organisation), pk=pk)
    invitations.withdraw(found, by=request.user)
    messages.success(request, f"The invitation of {found.email} is withdrawn; its link leads nowhere now.")
    return redirect("accounts:members", request.organisation.slug)


@require_POST
@member("manage_members")
def change_role(request: Any, pk: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(Membership.objects.of(request.organisation).select_related("user"), pk=pk)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose one of the roles.")
    else:
        try:
            members.change_role(found, form.cleaned_data["role"], by=request.user)
        except AssayError as error:
            messages.error(request, error.message)
        else:
            role = Role(form.cleaned_data["role"]).label
            messages.success(request, f"{found.user} is now: {role}.")
            if found.user_id == request.user.pk and form.cleaned_data["role"] != Role.OWNER:
                return redirect("portal:organisation", request.organisation.slug)
    return redirect("accounts:members", request.organisation.slug)


@require_http_methods(["GET", "POST"])
@member("manage_members")
def remove_member(request: Any, pk: uuid.UUID) -> HttpResponse:
    """Asks first."""
    found = get_object_or_404(Membership.objects.of(request.organisation).select_related("user"), pk=pk)
    problem = ""
    if request.method == "POST":
        try:
            members.remove_member(found, by=request.user)
        except AssayError as error:
            problem = error.message
        else:
            messages.success(request, f"{found.user} is no member any more.")
            if found.user_id == request.user.pk:
                return redirect("portal:home")
            return redirect("accounts:members", request.organisation.slug)
    context = {"membership": found, "problem": problem}
    return render(request, "accounts/remove_member.html", context, status=409 if problem else 200)


@require_http_methods(["GET", "POST"])
@member("manage_organisation")
def organisation_settings(request: Any) -> HttpResponse:
    here = request.organisation
    form = OrganisationForm(request.POST or None, initial={"name": here.name, "timezone": here.timezone})
    if request.method == "POST" and form.is_valid():
        services.change_organisation(here, **form.cleaned_data, by=request.user)
        messages.success(request, "Saved.")
        return redirect("accounts:settings", here.slug)
    return render(request, "accounts/settings.html", {"form": form}, status=422 if form.errors else 200)
