"""What a person decides for themselves: name, colours, second factor, tokens for programs."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts import once
from accounts.access import member
from accounts.forms import NameForm, ThemeForm, TokenForm
from accounts.models import ApiToken
from accounts.selectors import has_second_factor, memberships_of, tokens_of
from accounts.tokens import make_token, revoke_token
from assay.errors import AssayError

__all__ = ["change_theme", "revoke", "tokens", "you"]

_YEAR = 365 * 86_400


@require_http_methods(["GET", "POST"])
@member()
def you(request: Any) -> HttpResponse:
    form = NameForm(request.POST or None, initial={"name": request.user.name})
    if request.method == "POST" and form.is_valid():
        request.user.name = form.cleaned_data["name"]
        request.user.save(update_fields=["name"])
        messages.success(request, "Saved.")
        return redirect("accounts:you", request.organisation.slug)
    context = {
        "form": form,
        "theme_form": ThemeForm(initial={"theme": request.COOKIES.get("theme", "system")}),
        "second_factor": has_second_factor(request.user),
        "signers_need_it": settings.ENV.mfa == "signers",
        "memberships": memberships_of(request.user),
    }
    return render(request, "accounts/you.html", context, status=422 if form.errors else 200)


@require_POST
@member()
def change_theme(request: Any) -> HttpResponse:
    """Kept in a cookie, so that the page comes in the right colours from the first byte."""
    form = ThemeForm(request.POST)
    answer = redirect("accounts:you", request.organisation.slug)
    if form.is_valid():
        theme = form.cleaned_data["theme"]
        if theme != "system":
            answer.set_cookie(
                "theme", theme, max_age=_YEAR, secure=settings.ENV.secure, httponly=True, samesite="Lax"
            )
        else:
            answer.delete_cookie("theme")
    return answer


@require_http_methods(["GET", "POST"])
@member()
def tokens(request: Any) -> HttpResponse:
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made, secret = make_token(
                request.user,
                request.organisation,
                form.cleaned_data["name"],
                form.cleaned_data["scopes"],
                form.cleaned_data["days"],
            )
        except AssayError as error:
            form.add_error(None, error.message)
        else:
            once.keep(request, "token", name=made.name, secret=secret)
            return redirect("accounts:tokens", request.organisation.slug)
    context = {
        "form": form,
        "tokens": tokens_of(request.user, request.organisation),
        "shown": once.take(request, "token") if request.method == "GET" else None,
        "address": settings.ENV.url,
    }
    return render(request, "accounts/tokens.html", context, status=422 if form.errors else 200)


@require_POST
@member()
def revoke(request: Any, pk: uuid.UUID) -> HttpResponse:
    mine = ApiToken.objects.of(request.organisation).filter(user=request.user)
    found = get_object_or_404(mine, pk=pk)
    revoke_token(found, by=request.user)
    messages.success(request, f'The token "{found.name}" is revoked; programs that use it are refused.')
    return redirect("accounts:tokens", request.organisation.slug)
