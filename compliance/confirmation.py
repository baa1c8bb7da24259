"""A signer shows again who they are, with password or second factor, shortly before signing."""

from __future__ import annotations

import time
from typing import Any

from allauth.account import app_settings
from allauth.account.authentication import get_authentication_records
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from accounts.models import User
from compliance.proof import Proof

__all__ = ["confirm", "proof_of", "why_cannot_sign"]


def second_factor_needed() -> bool:
    return bool(settings.ENV.mfa == "signers")


def why_cannot_sign(user: User) -> str:
    """What a person has to set up before they can sign; empty where they can."""
    if second_factor_needed() and not is_mfa_enabled(user):
        return "Signing here needs a second factor, and you have not set one up."
    if not user.has_usable_password() and not is_mfa_enabled(user):
        return "Signing needs a password or a second factor to confirm with, and your account has neither."
    return ""


def proof_of(request: Any) -> Proof | None:
    """The last confirmation, if it is recent and strong enough."""
    records = [r for r in get_authentication_records(request, request.user) if r.get("reauthenticated")]
    if second_factor_needed():
        records = [r for r in records if r["method"] == "mfa"]
    records = [r for r in records if r["method"] in ("password", "mfa")]
    if not records or time.time() - records[-1]["at"] >= app_settings.REAUTHENTICATION_TIMEOUT:
        return None
    return Proof(records[-1]["method"], records[-1]["at"])


def confirm(request: Any, back: str) -> HttpResponse:
    """To the page that asks for password or code, and from there `back`."""
    name = "mfa_reauthenticate" if is_mfa_enabled(request.user) else "account_reauthenticate"
    return redirect(f"{reverse(name)}?{urlencode({'next': back})}")
