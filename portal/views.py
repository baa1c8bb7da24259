"""Pages that mix several apps: the way in, and the home of each role."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.access import member
from accounts.models import Membership

__all__ = ["home", "organisation"]


@login_required
def home(request: Any) -> HttpResponse:
    """To the person's organisation; to the choice where there are several."""
    found = [
        m.organisation
        for m in Membership.unscoped.filter(user=request.user)
        .select_related("organisation")
        .order_by("created_at")
    ]
    if len(found) == 1:
        return redirect("portal:organisation", found[0].slug)
    return render(request, "portal/choose.html", {"organisations": found})


@login_required
def organisations(request: Any) -> HttpResponse:
    """Switch between organisations."""
    found = Membership.unscoped.filter(user=request.user).select_related("organisation")
    return render(
        request,
        "portal/choose.html",
        {"organisations": [m.organisation for m in found.order_by("created_at")]},
    )


@member()
def organisation(request: Any) -> HttpResponse:
    return render(request, "portal/home.html")
