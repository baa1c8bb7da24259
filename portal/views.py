"""Pages that mix several apps: the way in, the home of each role, and what was typed when a sign-in ended."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.access import member
from accounts.forms import OrganisationForm
from accounts.selectors import memberships_of
from accounts.services import create_organisation
from assay.errors import AssayError
from portal import homes
from portal import kept as typed

__all__ = ["csrf_failure", "home", "kept", "new_organisation", "organisation", "organisations", "you"]


@login_required
def home(request: Any) -> HttpResponse:
    """To the person's organisation; to the choice where there are several."""
    found = list(memberships_of(request.user))
    if len(found) == 1:
        return redirect("portal:organisation", found[0].organisation.slug)
    return render(request, "portal/choose.html", {"memberships": found})


@login_required
def organisations(request: Any) -> HttpResponse:
    """Switch between organisations."""
    return render(request, "portal/choose.html", {"memberships": list(memberships_of(request.user))})


@login_required
def you(request: Any) -> HttpResponse:
    """To the person's own page, in the first organisation that they joined."""
    first = memberships_of(request.user).first()
    return redirect("accounts:you", first.organisation.slug) if first else redirect("portal:organisations")


@require_http_methods(["GET", "POST"])
@login_required
def new_organisation(request: Any) -> HttpResponse:
    """A further tenant; those who run the installation make it and become its first owner."""
    if not request.user.is_superuser:
        raise PermissionDenied("Only those who run this installation make organisations.")
    form = OrganisationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = create_organisation(form.cleaned_data["name"], request.user, form.cleaned_data["timezone"])
        except AssayError as error:
            form.add_error("name", error.message)
        else:
            messages.success(request, f"{made} is there, and you are its owner. Invite its people now.")
            return redirect("accounts:members", made.slug)
    return render(request, "portal/new_organisation.html", {"form": form}, status=422 if form.errors else 200)


@member()
def organisation(request: Any) -> HttpResponse:
    """Home: what needs this person, by role."""
    return render(
        request, "portal/home.html", homes.home_of(request.organisation, request.user, request.role)
    )


@require_http_methods(["GET", "POST"])
@login_required
def kept(request: Any) -> HttpResponse:
    """What was typed into forms that are no longer where they were; POST forgets it."""
    found = [each for each in typed.kept_here(request) if not each.page]
    if request.method == "POST":
        for each in found:
            typed.drop(request, each.action)
        return redirect("portal:home")
    return render(request, "portal/kept.html", {"kept": found})


def csrf_failure(request: Any, reason: str = "") -> HttpResponse:
    """A form that was older than the sign-in, or came from another site: explained; kept if ours."""
    found = typed.keep(request) if typed.same_origin(request) else None
    if found is not None and request.user.is_authenticated and found.by != str(request.user.pk):
        found = None  # somebody else's, who signs in again some day
    page = found.page if found else request.path
    return render(request, "portal/csrf.html", {"kept": found, "page": page}, status=403)
