"""Django's admin for those who run the installation: superusers, through the same sign-in as everybody."""

from __future__ import annotations

from typing import Any

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.selectors import has_second_factor

__all__ = ["OperatorsSite"]


class OperatorsSite(AdminSite):
    """Superusers only; no form of its own for passwords, so a second factor is always asked for."""

    site_header = "Assay: administration"
    site_title = "Assay"
    index_title = "Rows of every organisation"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        if not (user.is_active and user.is_superuser):
            return False
        return settings.ENV.mfa != "signers" or has_second_factor(user)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        user = request.user
        if user.is_authenticated and not self.has_permission(request):
            if not user.is_superuser:
                raise PermissionDenied("Only those who run this installation may come in here.")
            return redirect("mfa_index")
        answer: HttpResponse = secure_admin_login(super().login)(request, extra_context)
        return answer
