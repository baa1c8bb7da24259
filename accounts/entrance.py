"""The way in for people who were invited. Public: the link's secret is the permission."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.forms import JoinForm
from accounts.invitations import accept, find
from accounts.models import User
from assay.errors import AssayError

__all__ = ["invited"]

_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def invited(request: Any, secret: str) -> HttpResponse:
    """Join: with one button when signed in, after signing in for those with an account, else with a name and
    a password."""
    invitation = find(secret)
    if invitation is None:
        return render(request, "accounts/invitation_ended.html", status=410)
    context: dict[str, Any] = {"invitation": invitation, "status": "stranger"}
    if request.user.is_authenticated:
        context["status"] = "same" if request.user.email.lower() == invitation.email.lower() else "other"
        if request.method == "POST" and context["status"] == "same":
            accept(invitation, user=request.user)
            messages.success(request, f"You are now a member of {invitation.organisation}.")
            return redirect("portal:organisation", invitation.organisation.slug)
    elif User.objects.filter(email__iexact=invitation.email).exists():
        context["status"] = "known"
        context["sign_in"] = f"{reverse('account_login')}?{urlencode({'next': request.path})}"
    else:
        form = context["form"] = JoinForm(invitation.email, request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                user = accept(invitation, **form.cleaned_data)
            except AssayError as error:
                form.add_error(None, error.message)
            else:
                login(request, user, backend=_BACKEND)
                messages.success(request, f"Welcome. You are now a member of {invitation.organisation}.")
                return redirect("portal:organisation", invitation.organisation.slug)
        if form.errors:
            return render(request, "accounts/invited.html", context, status=422)
    return render(request, "accounts/invited.html", context)
